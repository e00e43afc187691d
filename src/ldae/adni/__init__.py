"""From a download of the ADNI archive to BIDS: what is there, who, when, and which image."""
