import pytest
from support.stored import make_end, make_point, make_spec

from scaling.store.layout import StoreFolder


@pytest.fixture
def store(tmp_path):
    """A store with one finished trial ``t0`` and one that has not begun, ``t1``."""
    store = StoreFolder(tmp_path / "läufe" / "ein sweep")
    specs = {"t0": make_spec(), "t1": make_spec("d32 s1", seed=1)}
    for name, spec in specs.items():
        store.trial(name).write_spec(spec)
    folder = store.trial("t0")
    for tokens in (1000, 2000):
        folder.publish_point(make_point(tokens=tokens, loss=2.5 - tokens / 1e4))
    folder.publish_end(make_end())
    listed = [{"id": n, "label": s.label, "horizons": list(s.horizons), "flops_train": 1e6} for n, s in specs.items()]
    store.write_sweep({"format": 1, "name": "sweep", "trials": listed})
    return store
