"""What follows for images of every source: buckets, ledger, attrition, the BIDS dataset."""
