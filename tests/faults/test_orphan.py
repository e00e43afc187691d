"""A training that outlives its killed workflow is waited for, and a dead one holds nothing up."""

import subprocess
import sys
from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from ldae.runtime import configure_logging
from ldae.training.checkpoint import Checkpoint

configure_logging()
checkpoint = Checkpoint(Path(sys.argv[1]))
print("mine", flush=True)
sys.stdin.read()
"""


def _hold(folder: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_two_trainings_never_share_a_checkpoint(tmp_path: Path) -> None:
    orphan = _hold(tmp_path)
    assert orphan.stdout is not None
    assert orphan.stdout.readline() == "mine\n"
    successor = _hold(tmp_path)
    assert successor.stderr is not None
    assert "another process trains here" in successor.stderr.readline()
    orphan.kill()
    out, _ = successor.communicate("", timeout=60)
    assert out == "mine\n"
    assert successor.returncode == 0
    orphan.communicate()
