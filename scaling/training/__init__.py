"""The training of one model: loop, optimizers, weight average, evaluation, checkpoints, text."""
