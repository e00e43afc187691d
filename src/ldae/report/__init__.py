"""From a run's tables, figures and logs to one page, beside the paper's numbers."""
