"""The command line: one subcommand per stage, imported only when it is called."""

import logging
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter, Token

from ldae import __version__
from ldae.commands import GROUPS, WORKFLOW
from ldae.config import Section
from ldae.errors import UserError
from ldae.provenance.recording import recorded
from ldae.runtime import configure_logging
from ldae.settings import load_settings

INTERRUPTED = 128 + signal.SIGINT  # as shells say it

app = App(
    name="ldae",
    version=__version__,
    help="Latent diffusion autoencoders for brain MRI.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
)
for group, commands in GROUPS.items():
    for command, summary in commands.items():
        name = command.replace("-", "_")
        app.command(f"ldae.stages.{name}:{name}", name=command, help=summary, group=group)


def _settings(model: type[Section], tokens: Sequence[Token]) -> Section:
    return load_settings(model, *[token.value for token in tokens])


# Any argument typed as settings is read from a rule's JSON or from YAML files.
Parameter(converter=_settings, accepts_keys=False, n_tokens=-1)(Section)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one subcommand; a mistake of the user ends in one line and exit status 1.

    Of `verify` status 1 is a finding, so its own errors end with 2.
    """
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words else ""
    try:
        configure_logging()
        if name in WORKFLOW:
            logging.info("$ ldae %s", shlex.join(words))
        command, given, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        works = name in WORKFLOW and command.__name__ == name.replace("-", "_")  # else: --help
        with recorded(name, given.arguments) if works else nullcontext():
            status = command(*given.args, **given.kwargs)
    except (UserError, CycloptsError) as error:
        _stop(name, " ".join(str(error).split()))
    except OSError as error:  # no permission, a full disk
        where = f"{error.filename}: " if error.filename else ""
        _stop(name, f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.stderr.write(f"ldae {name}: interrupted\n")
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _stop(name: str, problem: str) -> NoReturn:
    message = f"ldae {name}: {problem}"
    if name == "verify":
        sys.stderr.write(f"{message}\n")
        sys.exit(2)
    sys.exit(message)
