"""Who runs the trials: the executor protocol, the local executor, and the runner above them."""
