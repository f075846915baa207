"""Train a ladder of small models, meter every run, and learn what more scale will buy.

The command line (``scaling --help``) is the usual way in. As a library, the analysis side
(``scaling.laws``, ``scaling.store``) imports no torch and works on a laptop on a copied store.
"""

__version__ = "0.1.0"
