"""Best of n from answers drawn once: the estimator against drawing again and again."""

import numpy as np
import pytest

from scaling.trial.preference import best_of_n


def test_the_best_of_n_is_the_mean_over_all_choices_of_n():
    rng = np.random.default_rng(0)
    proxy, gold = rng.normal(size=(2, 3, 8))
    found = best_of_n(proxy, gold)
    assert found["n"] == [1, 2, 4, 8]
    assert {len(values) for values in found.values()} == {4}
    assert found["kl_nats"] == pytest.approx([0, np.log(2) - 1 / 2, np.log(4) - 3 / 4, np.log(8) - 7 / 8])
    assert found["gold"][0] == pytest.approx(gold.mean())
    assert found["proxy"][-1] == pytest.approx(proxy.max(axis=1).mean())
    pairs = [(a, b) for a in range(8) for b in range(a)]
    best = [[max(pair, key=lambda i: proxy[row, i]) for pair in pairs] for row in range(3)]
    assert found["gold"][1] == pytest.approx(np.mean([gold[row, best[row]].mean() for row in range(3)]))
