"""Image and subject ids that names do not tell, from what tables and metadata say.

Names lose them when a user renames files, or moves a leaf folder elsewhere. An image is found again
by its series id, which the older layout's folders have, else by subject, series name and day. Only
one image may fit; a guess is not made.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace

from ldae.adni.image_facts import ImageFacts
from ldae.adni.images import FoundImage, assemble, distrust_shared_ids, in_order
from ldae.adni.selection import kind_by_name, normalise
from ldae.imaging.storage import Storage
from ldae.parsing import roster_id

Clue = tuple[Hashable, ...]


def identify(
    images: Iterable[FoundImage], facts: Mapping[int, ImageFacts], storage: Storage
) -> tuple[FoundImage, ...]:
    """The same files as images of the ids that `facts` know; some may turn out to be one image."""
    images = list(images)
    if any(image.fault in {"no_image_id", "no_subject_id"} for image in images):
        images = distrust_shared_ids(_with_ids(images, facts, storage))
    return in_order(_contradicted(image, facts) for image in images)


def _with_ids(
    images: Iterable[FoundImage], facts: Mapping[int, ImageFacts], storage: Storage
) -> list[FoundImage]:
    by_clue: dict[Clue, set[int]] = defaultdict(set)
    for listed, fact in facts.items():
        for clue in _clues_of_fact(fact):
            by_clue[clue].add(listed)
    alike: dict[Clue, list[FoundImage]] = defaultdict(list)
    for image in images:
        image_id, ptid = image.image_id, image.ptid
        if image.fault == "no_image_id":
            image_id = _only_one(by_clue, _clues_of_image(image))
        if image_id is not None and ptid is None and image_id in facts:
            ptid = facts[image_id].subject
        known = image_id is not None and image.format != "other"
        key = (image_id, ptid, image.format) if known else (image.place,)
        alike[key].append(replace(image, image_id=image_id, ptid=ptid))
    return [_join(found, storage) for found in alike.values()]


def _join(found: list[FoundImage], storage: Storage) -> FoundImage:
    first = found[0]
    if len(found) == 1 and first.fault not in {"no_image_id", "no_subject_id"}:
        return first
    whole = assemble(
        [file for image in found for file in image.files],
        storage=storage,
        image_id=first.image_id,
        ptid=first.ptid,
        image_format=first.format,
    )
    copies = {copy for image in found for copy in image.copies} | set(whole.copies)
    whole = replace(whole, copies=tuple(sorted(copies)))
    conflict = next((image for image in found if image.fault == "conflicting_copies"), whole)
    return replace(whole, fault=conflict.fault, detail=conflict.detail)


def _only_one(by_clue: Mapping[Clue, set[int]], clues: Iterable[Clue]) -> int | None:
    """The image of the first clue that leads anywhere, if it leads to one."""
    fitting = next((by_clue[clue] for clue in clues if clue in by_clue), set())
    return next(iter(fitting)) if len(fitting) == 1 else None


def _clues_of_fact(fact: ImageFacts) -> Iterator[Clue]:
    name = normalise(fact.description or "")
    kind = fact.kind or kind_by_name(name, postprocessed=False)
    if fact.series_id is not None:
        yield (fact.subject, kind, fact.series_id)
    for day in {moment.date() for moment in fact.dates.values()}:
        yield (fact.subject, kind, name, day)


def _clues_of_image(image: FoundImage) -> Iterator[Clue]:
    name = normalise(image.description)
    kind = kind_by_name(name, postprocessed=image.postprocessed)
    if image.series_id is not None:
        yield (image.ptid, kind, image.series_id)
    if image.exam_time is not None:
        yield (image.ptid, kind, name, image.exam_time.date())


def _contradicted(image: FoundImage, facts: Mapping[int, ImageFacts]) -> FoundImage:
    """An image that the archive's records ascribe to another subject is not trusted."""
    if image.fault or image.image_id is None or image.image_id not in facts:
        return image
    listed = facts[image.image_id].subject
    if listed is None or roster_id(listed) == roster_id(image.ptid):
        return image
    detail = f"found under {image.ptid}, listed under {listed}"
    return replace(image, fault="conflicting_subjects", detail=detail)
