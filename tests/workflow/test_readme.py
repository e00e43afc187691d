"""All code of README, docs and CONTRIBUTING, run as a user would, on the small run.

A command that is new there fails until it has its answer here: run for real, run with `--dry-run`,
or the reason why it is not run.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ldae import cli
from ldae.runs.start import START

from .conftest import Workflow

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
DOCUMENTS = [
    *[PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")],
    *sorted(PROJECT.glob("docs/**/*.md")),
]
BLOCK = re.compile(r"^( *)```bash\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BESIDE = [
    *("Snakefile", "workflow", "profiles", "envs"),
    *("Makefile", "requirements.lock", "pyproject.toml"),
]
SMALL = {  # the words of the documents, and the same of the small run
    "results/demo": "results/smoke",
    "config/demo.yaml": "config/demo.yaml smoke.yaml",
    "doctor --adni /data/ADNI": "doctor --adni ADNI --settings config/config.yaml config/demo.yaml",
    "/data/ADNI": "ADNI",
    "/data/mine": "results/smoke/bids",
}
SCANS = {  # the files that stand for those of the documents
    "head_T1w.nii.gz": "bids/sub-*/ses-M000/anat/*_T1w.nii.gz",
    "scan_T1w.nii.gz": "bids/sub-*/ses-M000/anat/*_T1w.nii.gz",
    "out/…_desc-preproc_T1w.nii.gz": "derivatives/ldae/sub-*/ses-M000/anat/*-preproc_T1w.nii.gz",
    "first_preproc_T1w.nii.gz": "derivatives/ldae/sub-*/ses-M000/anat/*-preproc_T1w.nii.gz",
    "second_preproc_T1w.nii.gz": "derivatives/ldae/sub-*/ses-M012/anat/*-preproc_T1w.nii.gz",
}

REAL = {  # what is run, and what it says or writes
    r"snakemake --list .*": r"\nldm \(5\. .*\)\ntrain_ldm \(5\.1 ",
    r"snakemake --dry-run --quiet rules host .* my\.yaml": r"evaluate_probes +1\n",
    r"snakemake probes --forcerun evaluate_probes .*": r"1 of 2 steps \(50%\) done",
    r"snakemake --until train_ldm .*": "Nothing to be done",
    r"snakemake \S+/tables/generation\.csv .*": "Nothing to be done",
    r"snakemake (ldm|preprocess) .*": "Nothing to be done",
    r"snakemake report .*": r"Nothing to be done|\(100%\) done",
    r"ldae preprocess .*": r"out/sub-.*_desc-preproc_T1w\.nii\.gz; look at out/",
    r"ldae encode .*": r"out/sub-.*_codes\.npz",
    r"ldae reconstruct .*": r"out/sub-.*_reconstruction\.nii\.gz",
    r"ldae manipulate .*": r"age read again: .* in out/sub-.*_toward-age\.png",
    r"ldae interpolate .*": r"between sub-.* and sub-.*: out/sub-.*\.png",
    r"ldae sample .*": r"2 samples.*, in out",
    r"ldae predict .*": r"sub-.*: probability of AD \d\.\d+, age \d+\.\d years, shift \d",
    r"ldae check .*": r"^$",
    r"ldae doctor .*": r"\nWhat would come out\n",
    r"ldae export-huggingface .*": r"exported/huggingface: weights, configurations, README\.md",
    r"ldae export-monai .*": r"exported/ldae_demo: configs/, models/model\.pt",
    r"ldae verify .*": r"files .* as they were made|^(changed|missing|stale) ",
}
DRY = {  # what is run with --dry-run, and what it says
    r"make setup": r"pip install",
    r"make lint": r"ruff check",
    r"make docs": r"mkdocs build --strict",
    r"make demo": r"snakemake --cores all --configfile config/demo\.yaml",
    r"make test": r"pytest -n \d",
    r"snakemake (ingest )?--cores all (--resources gpu=1 )?--config .*": r"index_download +\d",
    r"snakemake --profile profiles/slurm --config .*": r"index_download +\d",
}
NOT_RUN = {
    r"source \.venv/bin/activate": "`make setup` makes it",
    r"jupyter execute .*": "tests/workflow/test_tutorial.py executes it in fewer steps",
    r"docker .*": "needs Docker; tests/test_environments.py holds its steps against `make setup`",
    r"snakemake --report .*": "tests/workflow/test_report.py opens it",
    r"ldae (schema|describe-settings|describe-reference) .*": "tests/unit hold what they write",
    r"uv pip compile .*": "asks the network; tests/test_environments.py holds what it writes",
    r"snakemake .* config/original\.yaml .*": "tests/workflow/test_configuration.py builds it",
    r"snakemake --profile profiles/slurm .* config/demo\.yaml": "needs Slurm: tests/slurm",
    r"ldae status .*": "tests/workflow/test_status.py reads what it says",
    r"ldae plan .*": "tests/unit/stages/test_plan.py",
    r"ldae fetch-weights .*": "downloads 250 MB; tests/unit/weights have a server of their own",
    r"ldae (import|export)-weights .*": "of the original's networks: tests/unit/stages",
}


def commands() -> list[str]:
    """The commands of all documents' code blocks, each once, without remarks."""
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    blocks = "\n".join(block for text in texts for _, block in BLOCK.findall(text))
    lines = [re.sub(r"\s+# .*", "", line).strip() for line in joined(blocks).splitlines()]
    return list(dict.fromkeys(line for line in lines if line and line[0] != "#"))


def joined(text: str) -> str:
    return re.sub(r"\\\n *", "", text)


def answer(answers: dict[str, str], command: str) -> str | None:
    found = [said for pattern, said in answers.items() if re.fullmatch(pattern, command)]
    return found[0] if found else None


@pytest.fixture(scope="module")
def checkout(finished: Workflow) -> Iterator[Workflow]:
    """The folder of the finished run with what stands beside the Snakefile: like a checkout."""
    start = finished.results / START
    before = start.read_bytes()
    for name in BESIDE:
        (finished.folder / name).symlink_to(finished.project / name)
    (finished.folder / "ADNI").symlink_to(finished.results / "download")
    (finished.folder / "my.yaml").write_text("probe: {folds: 3}")
    yield finished
    start.write_bytes(before)  # of the whole run, not of the last command


def on_the_small_run(text: str, checkout: Workflow) -> str:
    """Commands or Python of the documents, with the names of the small run's files."""
    scans = {name: min(checkout.results.glob(places)) for name, places in SCANS.items()}
    for words, small in {**SMALL, **scans}.items():
        text = text.replace(words, str(small))
    return text


def in_bash(command: str, checkout: Workflow) -> str:
    """What a command of the small run says; it must end well."""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-o", "pipefail", "-c", command],
        cwd=checkout.folder,
        env=checkout.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture
def run(
    checkout: Workflow,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Callable[[str], str]:
    """What a command says, put in the words of the small run; it must end well.

    `ldae` runs in this process, which has imported already what takes such a command longest.
    """

    def said(command: str) -> str:
        command = on_the_small_run(command, checkout)
        if not command.startswith("ldae "):
            return in_bash(command, checkout)
        monkeypatch.chdir(checkout.folder)
        with caplog.at_level("INFO"), pytest.raises(SystemExit) as ended:
            cli.main(shlex.split(command)[1:])
        assert ended.value.code == 0, f"{command}\n{ended.value.code}"
        return caplog.text + capsys.readouterr().out

    return said


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_documents_has_its_answer(command: str) -> None:
    answers = [answer(each, command) for each in (REAL, DRY, NOT_RUN)]
    assert sum(each is not None for each in answers) == 1, "say in this file how it is tested"


@pytest.mark.parametrize("command", [each for each in commands() if answer(REAL, each)])
def test_the_documents_commands_do_what_they_say(run: Callable[[str], str], command: str) -> None:
    assert re.search(str(answer(REAL, command)), run(command))


@pytest.mark.parametrize("command", [each for each in commands() if answer(DRY, each)])
def test_the_documents_long_commands_plan_what_they_say(
    run: Callable[[str], str], command: str
) -> None:
    assert re.search(str(answer(DRY, command)), run(f"{command} --dry-run"))


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if PYTHON.search(path.read_text())],
    ids=lambda path: path.name,
)
def test_the_documents_python_runs(
    checkout: Workflow, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of one document one after the other, after the commands, whose exports they read."""
    data = checkout.folder / "data"
    data.mkdir(exist_ok=True)
    scan = min(checkout.results.glob(SCANS["first_preproc_T1w.nii.gz"]))
    shutil.copy(scan, data)
    monkeypatch.chdir(checkout.folder)
    names: dict[str, object] = {}
    for block in PYTHON.findall(document.read_text(encoding="utf-8")):
        exec(compile(on_the_small_run(block, checkout), document, "exec"), names)


def test_no_answer_is_left_without_its_command() -> None:
    patterns = [*REAL, *DRY, *NOT_RUN]
    unused = [each for each in patterns if not any(re.fullmatch(each, c) for c in commands())]
    assert not unused
