"""NiiVue for a page of its own: taken out of the notebook widget that a PyPI package brings."""

import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ldae.errors import UserError

PACKAGE = "ipyniivue"
# The widget builds one viewer, and says so on the console just before.
MADE = re.compile(
    r'"Creating new Niivue instance"\);(?:(?!"Creating new).){0,200}?=new ([\w$]+)\(', re.DOTALL
)
# The module ends with the only thing it gives away, the widget.
EXPORT = re.compile(r"export\s*\{\s*[\w$]+ as default\s*\};?\s*\Z")
# To save HTML the bundle holds itself once more, as text: more than half of it.
SAVING = re.compile(r"\.saveHTML\([\w$]+,[\w$]+,decodeURIComponent\(([\w$]+)\)\)")
USED = (  # by page.js
    *("attachToCanvas(", "loadFromArrayBuffer(", "broadcastTo(", "updateGLVolume("),
    *("drawScene(", "setSliceType(", "setInterpolation(", "addColormap(", "resizeListener("),
    *("onLocationChange", "multiplanarShowRender"),
)


def read_widget() -> str:
    """The JavaScript of the installed package's widget; its Python code is not imported.

    Raises:
        UserError: the package is not installed, or has no such file.
    """
    spec = find_spec(PACKAGE)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder / "static" / "widget.js" if folder else None
    if path is None or not path.is_file():
        raise UserError(
            f"the explorer needs NiiVue from the package {PACKAGE}, of which static/widget.js is "
            f"not there; install it: pip install {PACKAGE}"
        )
    return path.read_text(encoding="utf-8")


def viewer_version() -> str:
    """The package NiiVue is from, with its version."""
    return f"{PACKAGE} {version(PACKAGE)}"


def niivue_module(widget: str) -> str:
    """A module for a page: `widget` with its export replaced by a global `Niivue`, the class.

    Raises:
        UserError: the widget is not built as expected, or lacks what the page uses.
    """
    made, export = MADE.findall(widget), EXPORT.findall(widget)
    absent = [name for name in USED if name not in widget]
    if len(made) != 1 or len(export) != 1 or absent:
        found = f"{len(made)} places that make a viewer, {len(export)} exports at the end"
        raise UserError(
            f"{PACKAGE}: static/widget.js is not built as the explorer expects ({found}; absent: "
            f"{', '.join(absent) or 'nothing'}); install the version in requirements.lock, or "
            "adapt src/ldae/explorer/viewer.py"
        )
    module = EXPORT.sub("", _without_itself(widget)) + f"globalThis.Niivue={made[0]};\n"
    if "</script" in module.lower() or "<!--" in module:
        raise UserError(f"{PACKAGE}: static/widget.js ends a script element; it cannot be inlined")
    return module


def _without_itself(widget: str) -> str:
    """The widget without its own copy as text; as it is where there is none."""
    names = SAVING.findall(widget)
    if len(names) != 1:
        return widget
    copy = re.compile(rf'\bvar {re.escape(names[0])}="[^"\\]*"')
    return copy.sub(f'var {names[0]}=""', widget) if len(copy.findall(widget)) == 1 else widget
