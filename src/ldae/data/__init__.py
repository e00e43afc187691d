"""What models read: preprocessed volumes, their latents, and the split."""
