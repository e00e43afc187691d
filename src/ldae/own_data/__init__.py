"""The user's own data: a BIDS dataset or a list of scans, planned like a download."""
