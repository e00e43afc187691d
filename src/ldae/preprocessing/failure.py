"""Why a scan cannot be preprocessed: a short code for tables and words for people."""


class ScanError(Exception):
    """One scan is at fault, the others go on; `str()` reads `code: words`."""

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        super().__init__(f"{code}: {words}")
