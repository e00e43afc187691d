"""A picture of what waits for what: boxes in rows, each row after all that its boxes wait for."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from random import Random
from statistics import fmean

WIDTH, HEIGHT = 148, 34  # of a box
ACROSS, DOWN = 160, 64  # from box to box
MARGIN = 14
SWEEPS, TRIES, PUSHES = 80, 30, 12
STYLE = (
    "text{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1c2733;"
    "text-anchor:middle;dominant-baseline:central}"
    "path{fill:none;stroke:#8694a3;stroke-width:1.4}"
    "rect.page{fill:#ffffff}rect.data{fill:#e3f0e8;stroke:#4c8b66}"
    "rect.model{fill:#e2ecf8;stroke:#4373ab}rect.result{fill:#fbeedd;stroke:#b57f35}"
)
Rows = list[list[str]]


def drawn(after: Mapping[str, Sequence[str]], kinds: Mapping[str, str], *, title: str) -> str:
    """SVG of the stages `after` others; the kind of a stage (data, model, result) is its colour.

    A stage stands as late as it may, in the row before the first that waits for it. Lines that pass
    rows keep a place in each of them, and places are ordered so that lines are short (the sweeps of
    Sugiyama's method).
    """
    waits = _direct(after)
    depth = _depth(waits)
    rows, below = _rows(waits, depth)
    places = _places(rows, below)
    size = (
        max(x for x, _ in places.values()) + WIDTH / 2 + MARGIN,
        max(y for _, y in places.values()) + HEIGHT / 2 + MARGIN,
    )
    lines = [_line([places[name] for name in way]) for way in _ways(waits, below)]
    boxes = [_box(name, kinds[name], places[name]) for name in after]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]:g} {size[1]:g}"'
        f' width="{size[0]:g}" height="{size[1]:g}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="page" width="{size[0]:g}" height="{size[1]:g}" rx="8"/>\n'
        f"{''.join(lines)}{''.join(boxes)}</svg>\n"
    )


def _direct(after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What each stage waits for, without what another of those waits for already."""
    before: dict[str, set[str]] = {}
    for name, others in after.items():  # in an order that may run
        before[name] = set(others).union(*[before[other] for other in others])
    return {
        name: [one for one in others if not any(one in before[other] for other in others)]
        for name, others in after.items()
    }


def _depth(waits: dict[str, list[str]]) -> dict[str, int]:
    """The row of each stage; of the last stage, 0."""
    depth = dict.fromkeys(waits, 0)
    for name in reversed(waits):
        for other in waits[name]:
            depth[other] = max(depth[other], depth[name] + 1)
    return depth


def _rows(waits: dict[str, list[str]], depth: Mapping[str, int]) -> tuple[Rows, Rows]:
    """Names by row, with the places of lines that pass; and pairs of neighbours."""
    top = max(depth.values())
    rows: Rows = [[] for _ in range(top + 1)]
    below: Rows = []
    for name in waits:
        rows[top - depth[name]].append(name)
    for name, others in waits.items():
        for other in others:
            way = [other]
            for row in range(top - depth[other] + 1, top - depth[name]):
                way.append(f"{other}>{row}")  # lines from one stage share their places
                if way[-1] not in rows[row]:
                    rows[row].append(way[-1])
            way.append(name)
            below += [[one, next_] for one, next_ in pairwise(way)]
    return rows, [list(pair) for pair in dict.fromkeys(map(tuple, below))]


def _places(rows: Rows, below: Rows) -> dict[str, tuple[float, float]]:
    """The middle of each box, of several orders to begin with the one of shortest lines."""
    near: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for one, other in below:
        near[one].append(other)
        near[other].append(one)
    tried = [_across(rows, near, Random(number)) for number in range(TRIES)]
    x = min(tried, key=lambda x: sum((x[one] - x[other]) ** 2 for one, other in below))
    least = min(x.values())
    return {
        name: (round(x[name] - least + WIDTH / 2 + MARGIN), MARGIN + HEIGHT / 2 + DOWN * place)
        for place, row in enumerate(rows)
        for name in row
    }


def _across(rows: Rows, near: Mapping[str, list[str]], order: Random) -> dict[str, float]:
    """Where boxes are from left to right: between those that they are joined with."""
    rows = [order.sample(row, len(row)) for row in rows]
    x = {name: float(ACROSS * place) for row in rows for place, name in enumerate(row)}
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            wish = {name: fmean(x[other] for other in near[name]) for name in row}
            row.sort(key=lambda name: wish[name])
            _apart(row, wish)
            x |= wish
    return x


def _apart(row: list[str], wish: dict[str, float]) -> None:
    """Move the boxes of a row apart as far as needed, around where they wish to be."""
    for _ in range(PUSHES):
        for left, right in pairwise(row):
            lack = _space(left, right) - (wish[right] - wish[left])
            if lack > 0:
                wish[left] -= lack / 2
                wish[right] += lack / 2
    for left, right in pairwise(row):
        wish[right] = max(wish[right], wish[left] + _space(left, right))


def _space(left: str, right: str) -> float:
    passing = (">" in left) + (">" in right)
    return (ACROSS, ACROSS * 0.58, ACROSS * 0.16)[passing]


def _ways(waits: dict[str, list[str]], below: Rows) -> list[list[str]]:
    """From stage to stage, by the places between."""
    known = {name for pair in below for name in pair}
    ways = []
    for name, others in waits.items():
        for other in others:
            between = sorted(
                (each for each in known if each.startswith(f"{other}>")),
                key=lambda each: int(each.rpartition(">")[2]),
            )
            way = [other]
            for each in between:
                if [way[-1], each] in below and [way[-1], name] not in below:
                    way.append(each)
            ways.append([*way, name])
    return ways


def _line(way: list[tuple[float, float]]) -> str:
    (x, y), *rest = way
    y += HEIGHT / 2
    path = f"M{x:g} {y:g}"
    for number, (to_x, middle) in enumerate(rest):
        to_y = middle - HEIGHT / 2
        bend = (y + to_y) / 2
        path += f"C{x:g} {bend:g} {to_x:g} {bend:g} {to_x:g} {to_y:g}"
        if number < len(rest) - 1:
            path += f"V{middle + HEIGHT / 2:g}"
        x, y = to_x, middle + HEIGHT / 2
    return f'<path d="{path}"/>\n'


def _box(name: str, kind: str, middle: tuple[float, float]) -> str:
    x, y = middle
    corner = f'x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}"'
    return (
        f'<rect class="{kind}" {corner} width="{WIDTH}" height="{HEIGHT}" rx="6"/>\n'
        f'<text x="{x:g}" y="{y:g}">{escape(name)}</text>\n'
    )
