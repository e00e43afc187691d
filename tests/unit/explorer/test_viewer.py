"""NiiVue is taken out of the installed widget, and another widget is refused readably."""

import re

import pytest

from ldae.errors import UserError
from ldae.explorer import viewer
from ldae.explorer.viewer import USED, niivue_module, read_widget, viewer_version

SMALL = (
    "class t2{"
    + "".join(f"{name}){{}}" for name in USED if name.endswith("("))
    + "onLocationChange=0;multiplanarShowRender=0}"
    + 'var o2="text%20of%20itself";var v;'
    + 'function make(A){console.log("Creating new Niivue instance");let C=f(A);v=new t2(C)}'
    + "function save(A,h,c){A.saveHTML(h,c,decodeURIComponent(o2))}"
    + "export{Ih as default};\n"
)


def test_the_installed_widget_gives_its_viewer() -> None:
    widget = read_widget()
    module = niivue_module(widget)
    assert re.search(r"globalThis\.Niivue=[\w$]+;\n$", module)
    assert "export{" not in module[-200:]
    assert len(module) < 0.6 * len(widget)  # without its own copy
    assert viewer_version().startswith("ipyniivue 2.")


def test_the_class_is_named_where_it_is_made() -> None:
    assert niivue_module(SMALL).endswith("globalThis.Niivue=t2;\n")
    assert "text%20of%20itself" not in niivue_module(SMALL)


def test_a_widget_without_a_copy_of_itself_is_as_good() -> None:
    plain = SMALL.replace("decodeURIComponent(o2)", "null")
    assert 'o2="text%20of%20itself"' in niivue_module(plain)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Creating new Niivue instance", "Hello"), "0 places that make a viewer"),
        (("export{Ih as default};", "export{Ih};"), "0 exports at the end"),
        (("broadcastTo(", "tellOthers("), r"absent: broadcastTo\("),
        (("class t2{", "/*</script>*/class t2{"), "ends a script element"),
    ],
)
def test_another_widget_is_refused(change: tuple[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        niivue_module(SMALL.replace(*change))


def test_two_viewers_are_refused() -> None:
    again = 'console.log("Creating new Niivue instance");v=new t3(C);export{'
    with pytest.raises(UserError, match="2 places that make a viewer"):
        niivue_module(SMALL.replace("export{", again))


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="pip install no_such_package"):
        read_widget()
