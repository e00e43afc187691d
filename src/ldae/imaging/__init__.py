"""Raw image files: where their bytes are, what their headers say, and how they become NIfTI."""
