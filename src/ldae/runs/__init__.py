"""A run's folder: how it was started, and what its jobs have done and have left to do."""
