import itertools
import zipfile
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldae.adni.metadata import Metadata, read_metadata
from ldae.imaging.storage import Storage

PROTOCOL = """<protocolTerm>
  <protocol term="Acquisition Type">3D</protocol>
  <protocol term="Acquisition Plane">SAGITTAL</protocol>
  <protocol term="Matrix X">256.0</protocol><protocol term="Matrix Z">166.0</protocol>
  <protocol term="Manufacturer">GE MEDICAL SYSTEMS</protocol>
  <protocol term="Coil"/><protocol term="Field Strength">1.494</protocol></protocolTerm>"""
PARTS = {
    "subject": [
        "<subjectIdentifier>002_S_0295</subjectIdentifier>",
        "<researchGroup>CN</researchGroup>",
        "<subjectSex>M</subjectSex>",
        '<subjectInfo item="APOE A1">3</subjectInfo>',
        "<visit><visitIdentifier>ADNI Screening</visitIdentifier>"
        '<assessment name="CDR"><component name="CDR"><assessmentScore attribute="CDGLOBAL">0.0'
        "</assessmentScore></component></assessment></visit>",
    ],
    "study": [
        "<studyIdentifier>3006</studyIdentifier>",
        "<subjectAge>84.7425</subjectAge>",
        "<ageQualifier>Y</ageQualifier>",
        "<weightKg>74.0</weightKg>",
        "<postMortem>F</postMortem>",
    ],
    "series": [
        "<seriesIdentifier>13408</seriesIdentifier>",
        "<modality>MRI</modality>",
        "<dateAcquired>2006-04-18 08:20:30.0</dateAcquired>",
    ],
    "image": [
        "<imageUID>45108</imageUID>",
        "<description>MP-RAGE &amp; more</description>",
        PROTOCOL,
    ],
}
DERIVED = """<seriesLevelMeta><annotation><text>Grinder Pipeline</text></annotation>
  <derivedProduct><imageUID>118671</imageUID>
    <processedDataLabel>MPR; GradWarp; B1 Correction; N3; Scaled</processedDataLabel>
    <imageType>image volume</imageType>
    <relatedImage><imageUID>45108</imageUID><relation>derived from</relation></relatedImage>
    <provenanceDetail><process>N3</process><date>2008-01-01</date></provenanceDetail>
    <creationDate>0000-00-00</creationDate></derivedProduct>{}</seriesLevelMeta>"""
RELATED = (
    "<relatedImageDetail><originalRelatedImage><imageUID>{}</imageUID>"
    "<description>MP-RAGE</description>" + PROTOCOL + "</originalRelatedImage></relatedImageDetail>"
)
ORIGINAL = Metadata(
    subject="002_S_0295",
    description="MP-RAGE & more",
    kind="original",
    acquired=datetime(2006, 4, 18, 8, 20, 30),
    visit="ADNI Screening",
    age=84.7425,
    sex="M",
    group="CN",
    slices=166,
    tesla=1.5,
    manufacturer="GE",
    series_id=13408,
)


def document(parts=PARTS, *, derived="", namespace=' xmlns="http://ida.loni.usc.edu"', order=None):
    """A metadata file; `order` shuffles the elements of each part."""
    shuffle = order or (lambda items: items)
    series = f"<series>{''.join(shuffle([*parts['series'], derived]))}</series>"
    image = f"<imagingProtocol>{''.join(shuffle(parts['image']))}</imagingProtocol>"
    study = [*parts["study"], series, *([] if derived else [image])]
    subject = [*parts["subject"], f"<study>{''.join(shuffle(study))}</study>"]
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f"<idaxs{namespace}><project{' xmlns=' + chr(34) * 2 if namespace else ''}>"
        "<projectIdentifier>ADNI</projectIdentifier><siteKey>002</siteKey>"
        f"<subject>{''.join(shuffle(subject))}</subject></project></idaxs>"
    )


def read(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.xml").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    with Storage(folder) as storage:
        return read_metadata(storage, [f"{name}.xml" for name in files])


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://ida.loni.usc.edu"'])
def test_an_original_image(tmp_path, namespace):
    index = read(tmp_path, a=document(namespace=namespace))
    assert dict(index) == {45108: ORIGINAL}
    assert not index.problems


@pytest.mark.parametrize("originals", [(45108,), (45108, 45109), ()])
def test_a_processed_image(tmp_path, originals):
    derived = DERIVED.format("".join(RELATED.format(number) for number in originals))
    index = read(tmp_path, a=document(derived=derived))
    image = index[118671]
    assert image.kind == "processed"
    assert image.description == "MPR; GradWarp; B1 Correction; N3; Scaled"
    assert image.slices is None  # the protocol is that of the original
    assert image.age == ORIGINAL.age
    assert image.tesla == (1.5 if originals else None)
    assert not index.problems


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_order_does_not_matter(data, tmp_path_factory):
    text = document(order=lambda items: data.draw(st.permutations(items)))
    assert dict(read(tmp_path_factory.mktemp("xml"), a=text)) == {45108: ORIGINAL}


SINGLE = [
    (part, element)
    for part, elements in PARTS.items()
    for element in elements
    if "imageUID" not in element
]


@pytest.mark.parametrize(("part", "element"), SINGLE, ids=lambda value: value[:25])
def test_every_other_element_may_be_absent_or_empty(tmp_path, part, element):
    without = PARTS | {part: [other for other in PARTS[part] if other != element]}
    assert 45108 in read(tmp_path, a=document(without))
    tag = element[1:].partition(">")[0].partition(" ")[0]
    empty = PARTS | {part: [*without[part], f"<{tag}/>"]}
    index = read(tmp_path, a=document(empty))
    assert 45108 in index
    assert not index.problems


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("84.7425", "-4", {"age": None}),
        (">Y<", ">M<", {"age": None}),
        ("2006-04-18 08:20:30.0", "0000-00-00", {"acquired": None}),
        ("2006-04-18 08:20:30.0", "2006-04-18", {"acquired": datetime(2006, 4, 18)}),
        (">3D<", ">2D<", {"slices": None}),
        ("SAGITTAL", "AXIAL", {"slices": None}),
        ("166.0", "0.0", {"slices": None}),
        ("002_S_0295", "phantom", {"subject": None}),
        ("<imageUID>45108", "<imageUID>I0045108", {}),
        ("MP-RAGE &amp; more", "x" * 2000, {"description": None}),
    ],
)
def test_odd_values(tmp_path, old, new, changed):
    text = document().replace(old, new)
    assert text != document()
    expected = {name: getattr(ORIGINAL, name) for name in Metadata.__dataclass_fields__} | changed
    assert dict(read(tmp_path, a=text)) == {45108: Metadata(**expected)}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in itertools.pairwise("abcdefghij"))
    + "]><idaxs>&j;</idaxs>"
)
FILE_ENTITY = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>'
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BOMB, "declares entities"),
        (FILE_ENTITY, "declares entities"),
        ("<a>" * 100_000, "nested too deeply"),
        ("<a>" + "x" * 5_000_000 + "</a>", "larger than 4 MB"),
        (document()[:-20], "no XML"),
        ("", "no XML"),
        (b"\0\1\2\3", "no XML"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "no XML"),
        ("<?xml version='1.0'?><html><body>Log in</body></html>", "describes no image"),
        (document().replace("45108", "unknown"), "describes no image"),
        (
            document(PARTS | {"image": [*PARTS["image"], "<imageUID>7</imageUID>"]}),
            "describes several images",
        ),
    ],
    ids=[
        *("bomb", "file", "deep", "large", "cut", "empty", "binary", "encoding"),
        *("page", "no id", "several"),
    ],
)
def test_what_is_no_metadata_is_told_and_costs_nothing_else(tmp_path, content, why):
    index = read(tmp_path, bad=content, good=document())
    assert dict(index) == {45108: ORIGINAL}
    (problem,) = index.problems
    assert problem.startswith("bad.xml: ")
    assert why in problem


def test_many_files_of_one_fault_are_one_line(tmp_path):
    index = read(tmp_path, **{f"bad{number}": "<a/>" for number in range(5)})
    assert index.problems == ("bad0.xml and 4 more: describes no image of the archive",)


def test_two_files_on_one_image_must_agree(tmp_path):
    other = document().replace("84.7425", "74.7")
    index = read(tmp_path, a=document(), b=document(), c=other)
    assert dict(index) == {45108: ORIGINAL}
    assert len(index.problems) == 1
    assert index.problems[0].startswith("c.xml: another file says otherwise")


def test_metadata_inside_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ADNI/ADNI_002_S_0295_MP-RAGE_S13408_I45108.xml", document())
        archive.writestr("ADNI/bomb.xml", b"<a>" + b" " * 50_000_000 + b"</a>")
    with Storage(tmp_path) as storage:
        files = [f"{folder}/{name}" for folder, names in storage.walk() for name in names]
        index = read_metadata(storage, files)
    assert dict(index) == {45108: ORIGINAL}
    assert "bomb.xml: larger than" in index.problems[0]
