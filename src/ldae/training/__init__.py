"""Training that survives being killed: loop, steps, moving average and checkpoint."""
