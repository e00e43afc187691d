"""Which ldae this is: its version, and the commit of the source tree that runs."""

import json
import subprocess
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from ldae import __version__

SOURCE = Path(__file__).resolve().parent


@cache
def made_with() -> dict[str, str | None]:
    """`ldae`: the version; `commit`: of the source tree, None where nobody knows it.

    A checkout is asked itself, and `+dirty` added when the package in it was edited since; a
    package that pip installed from a repository knows the commit that it was installed from.
    """
    commit = commit_of(SOURCE) or installed().get("vcs_info", {}).get("commit_id")
    return {"ldae": __version__, "commit": commit}


def generated_by() -> list[dict[str, str]]:
    """`GeneratedBy` of a BIDS dataset description; what is not known is left out."""
    entry = {
        "Name": "ldae",
        "Version": __version__,
        "CodeURL": installed()["url"] if "vcs_info" in installed() else None,
        "Commit": made_with()["commit"],
    }
    return [{key: value for key, value in entry.items() if value is not None}]


def in_words(version: str | None, commit: str | None) -> str:
    """Version and commit for people."""
    return f"ldae {version}, {f'commit {commit}' if commit else 'no commit known'}"


def commit_of(package: Path) -> str | None:
    """The commit of the checkout whose `src/` holds the folder `package`; None: there is none."""
    root = package.parents[1]
    if not (root / ".git").exists():  # installed, not run from a checkout
        return None
    commit = _git(root, "rev-parse", "HEAD")
    edited = _git(root, "status", "--porcelain", "--", str(package))
    return f"{commit}+dirty" if commit and edited else commit


def _git(root: Path, *words: str) -> str | None:
    # A checkout that belongs to someone else, as in a container, is trusted: its code is running.
    command = ["git", "-c", f"safe.directory={root}", "--no-optional-locks", *words]
    try:
        result = subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


@cache
def installed() -> dict[str, Any]:
    """What pip wrote down of where the package came from (PEP 610)."""
    text = distribution("ldae").read_text("direct_url.json")
    known: dict[str, Any] = json.loads(text) if text else {}
    return known
