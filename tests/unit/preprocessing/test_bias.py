import ants
import pytest

from ldae.preprocessing.bias import correct_bias
from ldae.preprocessing.failure import ScanError


def test_when_n4_gives_up_the_scan_is_at_fault(head, settings, monkeypatch) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise RuntimeError("itk::ERROR: no such luck")

    monkeypatch.setattr(ants, "n4_bias_field_correction", give_up)
    with pytest.raises(ScanError, match=r"bias-failed: .*no such luck"):
        correct_bias(head[0], settings.bias)
