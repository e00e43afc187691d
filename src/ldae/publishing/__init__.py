"""Finished models as others expect them: a Hugging Face folder and a MONAI bundle."""
