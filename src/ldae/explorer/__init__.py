"""The explorer: a page in which single scans, and what models make of them, are looked at."""
