"""Finished models in use on single scans: what a scan must be, how usual it is, what comes out."""
