"""The pages that go with exported models, from the templates beside this module."""

from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae.origin import in_words
from ldae.pretrained.contract import CONTRACT
from ldae.publishing import numbers
from ldae.publishing.caveats import caveats
from ldae.publishing.facts import Facts
from ldae.publishing.terms import Terms

PAPER = "https://arxiv.org/abs/2504.08635"
TASKS = {
    "ad_vs_cn": ("image-classification", "AD against CN, linear probe on the code"),
    "age": ("tabular-regression", "age in years, linear probe on the code"),
    "reconstruction": ("image-to-image", "reconstruction of unseen scans"),
}
METRIC_NAMES = {
    "roc_auc": "ROC-AUC",
    "mae": "mean absolute error (years)",
    "ssim": "SSIM",
    "mse": "mean squared error",
}
COHORTS = {
    "synthetic": "embedded synthetic cohort of ldae",
    "adni": "ADNI",
    "bids": "a cohort in BIDS",
}


def model_card(facts: Facts, terms: Terms, *, authors: str) -> str:
    """README.md of a Hugging Face folder: YAML header and card."""
    header = _header(facts, terms)
    contract = (facts.models / CONTRACT).is_file()
    return _render("model_card.md", facts, terms, authors=authors, header=header, contract=contract)


def bundle_page(facts: Facts, terms: Terms, *, authors: str, name: str, steps: int) -> str:
    """docs/README.md of a MONAI bundle."""
    return _render(
        "bundle.md", facts, terms, authors=authors, name=name, steps=steps, contract=False
    )


def _render(template: str, facts: Facts, terms: Terms, **more: Any) -> str:
    environment = Environment(
        loader=PackageLoader("ldae.publishing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    tables = facts.tables
    return environment.get_template(template).render(
        facts=facts,
        settings=facts.settings,
        terms=terms,
        caveats=caveats(facts),
        made_with=in_words(facts.version, facts.commit),
        cohort=COHORTS[facts.settings.cohort.source],
        numbers=numbers,
        tables=tables,
        paper=PAPER,
        **more,
    )


def _header(facts: Facts, terms: Terms) -> str:
    """What the hub reads: https://huggingface.co/docs/hub/model-cards."""
    content: dict[str, Any] = {"license": terms.license}
    if terms.name:
        content |= {"license_name": terms.name, "license_link": "LICENSE"}
    content |= {
        "library_name": "ldae",
        "pipeline_tag": "image-feature-extraction",
        "tags": [
            *("ldae", "medical", "brain", "mri", "t1-weighted", "3d"),
            *("diffusion", "autoencoder", "representation-learning", "safetensors"),
        ],
        "model-index": [{"name": f"ldae-{facts.run}", "results": _results(facts)}],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _results(facts: Facts) -> list[dict[str, Any]]:
    """One entry per task, as the hub's model-index asks for."""
    dataset = {
        "type": facts.settings.cohort.source,
        "name": COHORTS[facts.settings.cohort.source],
        "split": "test",
    }
    results: dict[str, dict[str, Any]] = {}
    for score in numbers.scores(facts.tables):
        kind, name = TASKS[score.task]
        entry = results.setdefault(
            score.task,
            {"task": {"type": kind, "name": name}, "dataset": dataset.copy(), "metrics": []},
        )
        entry["metrics"].append(
            {
                "type": score.metric,
                "name": METRIC_NAMES[score.metric],
                "value": round(score.value, 6),
            }
        )
    return list(results.values())
