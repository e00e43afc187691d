"""Networks put together: built from settings, rebuilt from a run's `models/` folder."""
