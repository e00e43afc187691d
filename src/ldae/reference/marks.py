"""Pages that people write down to a mark, and a command below it."""

from ldae.errors import UserError


def mark(command: str) -> str:
    """The line of a page below which `ldae {command}` writes."""
    return f"<!-- Written by `ldae {command}`; what stands below is replaced. -->"


def above(page: str, *, command: str) -> str:
    """`page` down to its mark, that and an empty line included.

    Raises:
        UserError: the page has no mark.
    """
    prose, found, _ = page.partition(mark(command))
    if not found:
        raise UserError(f"the page has no line `{mark(command)}`, below which it is written")
    return f"{prose}{found}\n\n"


def table_row(*cells: str) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
