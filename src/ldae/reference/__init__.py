"""What users look up: the page of every setting."""
