import random

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give every test its own cache."""
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def sentences():
    """Two thousand short documents of made-up words, some beyond ASCII."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 7))) for _ in range(300)] + [
        "naïve",
        "日本",
        "🦊",
    ]
    return [" ".join(rng.choices(words, k=rng.randint(20, 60))) + "." for _ in range(2_000)]
