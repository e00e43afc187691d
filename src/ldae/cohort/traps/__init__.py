"""Every fault known of real downloads, made once, with what must become of it.

Tables to read from top to bottom: `twins` (which image of a session), `broken` (series that do not
make one volume), `places` (where files lie), `records` (what tables and lists say).
"""
