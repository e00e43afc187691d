import pytest

from ldae import gpus

LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-0001)
  MIG 3g.20gb     Device  1: (UUID: MIG-0002)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-1)
GPU 2: NVIDIA H100 (UUID: GPU-bbbc-1)
"""


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """A stand-in for nvidia-smi that says what it is told."""
    monkeypatch.delenv("LDAE_GPUS", raising=False)
    monkeypatch.setattr(gpus, "GIVEN", None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def says(text: str, status: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
        program.chmod(0o755)

    return says


def test_the_machines_gpus_are_listed_with_slices_in_place_of_the_one_they_are_of(driver):
    driver(LISTING)
    assert gpus.list_gpus() == ["MIG-0001", "MIG-0002", "GPU-bbbb-1", "GPU-bbbc-1"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", []),
        ("2,1", ["GPU-bbbc-1", "GPU-bbbb-1"]),
        (" 1, 1", ["GPU-bbbb-1"]),
        ("0", ["MIG-0001", "MIG-0002"]),
        ("GPU-aaaa", ["MIG-0001", "MIG-0002"]),
        ("MIG-0002", ["MIG-0002"]),
        ("GPU-bbbc,GPU-bbbb-1", ["GPU-bbbc-1", "GPU-bbbb-1"]),
        ("1,-1,2", ["GPU-bbbb-1"]),  # as CUDA does: nothing behind what it does not know
        ("7,1", []),
        ("NoDevFiles", []),  # of Slurm
    ],
)
def test_cuda_visible_devices_picks(driver, monkeypatch, given, expected):
    driver(LISTING)
    monkeypatch.setattr(gpus, "GIVEN", given)
    assert gpus.list_gpus() == expected
    assert gpus.source_of_gpus() == f"of CUDA_VISIBLE_DEVICES={given}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, []), ("2,GPU-aaaa", ["2", "GPU-aaaa"]), ("NoDevFiles", []), ("-1", [])],
)
def test_what_is_given_is_believed_where_there_is_no_nvidia_smi(
    monkeypatch, tmp_path, given, expected
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LDAE_GPUS", raising=False)
    monkeypatch.setattr(gpus, "GIVEN", given)
    assert gpus.list_gpus() == expected


def test_a_broken_driver_is_no_gpu_and_says_so(driver, caplog):
    driver("Failed to initialize NVML: Driver/library version mismatch\n", status=18)
    assert gpus.list_gpus() == []
    assert "nvidia-smi: Failed to initialize NVML: Driver/library" in caplog.text
