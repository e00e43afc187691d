"""The page that explains every setting."""

from pathlib import Path

from ldae.reference.page import with_settings
from ldae.runtime import atomic_path


def describe_settings(*, defaults: Path, page: Path) -> None:
    """Bring `page` up to date below its mark: every key's type, range, default, source, meaning.

    Args:
        defaults: a whole configuration with comments, `config/config.yaml`.
        page: `config/README.md`; what stands above the mark is kept.

    Raises:
        UserError: the page has no mark, or `defaults` lacks a key.
    """
    text = with_settings(page.read_text(encoding="utf-8"), defaults=defaults)
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
