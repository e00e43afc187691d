"""Gather the records of a run's files in one."""

import logging
from pathlib import Path

from ldae import config
from ldae.provenance.run import GATHERED, gather, read_run


class Settings(config.Results):
    """Everything that results depend on, since the record holds it."""


def write_provenance(*, run: Path, settings: Settings) -> None:
    """Write `provenance.json`: how, with what and of what each file of the run was made.

    Args:
        run: the folder of results, with the records that each stage left beside its files.
        settings: what the run was asked for.

    Raises:
        UserError: there are no records in `run`.
    """
    records = read_run(run)
    gather(records, settings)
    logging.info("%s: %d files", run / GATHERED, len(records.records))
