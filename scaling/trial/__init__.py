"""The process of one trial: ``python -m scaling.trial STORE TRIAL ATTEMPT``.

Assembles model, data and meters, trains through the horizons, publishes a point at each and an end record, and exits:
0 done or diverged (both are results) · 1 failed, with ``failure.json`` saying why · 75 stopped by SIGTERM after
writing a checkpoint: start another attempt and it continues from there · 74 the store could not be written.

``attempt`` runs one attempt · ``member`` is a trial as the process publishes it (a process that trains several has
several) · ``probes`` are measurements at a horizon beside the loss · ``device`` is what the trial runs on ·
``command`` runs somebody else's trainer instead, and loads no torch.
"""
