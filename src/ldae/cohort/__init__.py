"""The embedded synthetic cohort: ageing, ailing heads, scanned and archived as in ADNI."""
