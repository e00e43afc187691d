import numpy as np

from ldae.report import figures
from ldae.report.figures import Row, centre_of, draw_rows


def test_slices_are_neurological_with_anterior_and_superior_up():
    volume = np.zeros((4, 5, 6), np.float32)
    volume[3, 4, 2] = 1  # right, anterior
    axial = figures._cut(volume, "axial", (0, 0, 2))
    assert axial.shape == (5, 4)  # rows from posterior up, columns from left to right
    assert axial[4, 3] == 1
    coronal = figures._cut(volume, "coronal", (0, 4, 0))
    assert coronal.shape == (6, 4)
    assert coronal[2, 3] == 1
    sagittal = figures._cut(volume, "sagittal", (3, 0, 0))
    assert sagittal[2, 4] == 1


def test_the_centre_is_the_middle_of_the_mask():
    mask = np.zeros((10, 10, 10), bool)
    mask[2:5, 4:9, 0:10] = True
    assert centre_of(mask) == (3, 6, 5)
    assert centre_of(np.zeros((4, 6, 8), bool)) == (2, 3, 4)


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    generator = np.random.default_rng(0)
    volume = generator.random((6, 8, 6), dtype=np.float32)
    rows = [
        Row("scan", [volume, None]),
        Row("difference", [None, volume - 0.5], kind="difference"),
        Row("spread", [None, volume], plane="coronal", kind="spread"),
        Row("no difference", [None, volume * 0], kind="difference"),
    ]
    for name in "ab":
        draw_rows(
            tmp_path / f"{name}.png", title="t", columns=["a", "b"], rows=rows, centre=(3, 4, 3)
        )
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"Software" not in content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
