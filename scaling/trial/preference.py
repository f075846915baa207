"""One trial of preference tuning: comparisons from the policy's own answers, a reward model, the policy, its scores.

The gold reward of an answer is its edit similarity to the right one, which the task's checker knows; the proxy is what
a reward model has learnt of it from so many comparisons. Both are measured at every horizon, beside how far the policy
has gone.
"""

import copy
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scaling.abilities import Items, edit_similarity, make_task, nested_items, test_items
from scaling.errors import UsageError
from scaling.spec.abilities import answer_places
from scaling.spec.tuning import REWARD_BATCH, Preference
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.training.loop import Trainer, TrainState
from scaling.training.optim import make_optimizers
from scaling.training.preference import (
    Comparisons,
    Dpo,
    Loss,
    PreferenceTrainer,
    RewardModel,
    Rloo,
    answer_logprobs,
    kl_nats,
    learn_reward,
    write_answers,
)
from scaling.trial.attempt import Trial
from scaling.trial.base import initial_model

_COMPARED, _ASKED, _HELD_OUT = 1, 2, 3  # lists of training items: for comparisons, for updates, for the reward's check
_HELD_OUT_PAIRS = 400
_CHUNK = 128  # questions answered at once
_MAX_CHUNKS = 20  # times the comparisons that are wanted, at most
_ANSWERS = 2  # to each test question, at every measurement
_BEST_OF_QUESTIONS = 64


class PreferenceTrial(Trial):
    """One attempt at preference tuning; see ``Trial``."""

    def __init__(self, folder: TrialFolder, attempt: AttemptFolder, started: float) -> None:
        super().__init__(folder, attempt, started)
        assert isinstance(self.spec.tune, Preference)
        self.tune: Preference = self.spec.tune
        self.seconds["prepare"] = 0.0

    def _fresh(self) -> TrainState:
        self.reference = initial_model(self.member).to(self.device).requires_grad_(False)
        policy = copy.deepcopy(self.reference).requires_grad_(True)
        return TrainState(model=policy, optimizers=make_optimizers(policy, self.spec.train), average=None)

    def _make_trainer(self, state: TrainState) -> Trainer:
        losses = self.member.losses
        return PreferenceTrainer(state, losses, self.stream, self.spec.train, self.device, self, self.team)

    def _prepare(self) -> None:
        """Draw and label comparisons, learn the reward, and measure where the policy starts."""
        began = time.perf_counter()
        assert isinstance(self.trainer, PreferenceTrainer)
        asked = Asked(self.tune, self.spec.seed, self.device)
        pairs = asked.compare(self.reference, self.tune.comparisons, _COMPARED)
        self.member.count_comparisons(asked.written)
        reward = RewardModel(self.reference, self.spec.data.vocab_size, asked.places)
        generator = torch.Generator().manual_seed(self.spec.seed)
        learn_reward(reward, pairs, self.tune.reward_steps, self.tune.reward_lr, REWARD_BATCH, generator)
        proxy = Proxy(reward, asked, self.reference)
        self.trainer.learn = self._loss(asked, pairs, proxy)
        probe = PreferenceProbe(asked, proxy, self.reference, self.member.flops_before)
        self.probes = (*self.probes, probe)
        self.seconds["prepare"] = time.perf_counter() - began

    def _loss(self, asked: "Asked", pairs: Comparisons, proxy: "Proxy") -> Loss:
        tune, seed = self.tune, self.spec.seed
        if tune.method == "rloo":
            return Rloo(asked.questions, proxy, self.reference, asked.places, tune.samples, tune.kl_weight, seed)
        with torch.no_grad():
            better, worse = (
                answer_logprobs(self.reference, rows, asked.places) for rows in (pairs.better, pairs.worse)
            )
        return Dpo(pairs, better - worse, asked.places, tune.rows // 2, tune.kl_weight, seed)


class Asked:
    """The questions of a trial, and what its checker says of answers to them.

    Args:
        tune: what the trial does.
        seed: of questions and samples.
        device: where rows lie.
    """

    def __init__(self, tune: Preference, seed: int, device: torch.device) -> None:
        self.tune, self.seed, self.device = tune, seed, device
        self.task, self.places = make_task(tune.probe), answer_places(tune.probe)
        self.test = test_items(self.task, tune.test_items)
        self.written = 0

    def rows(self, items: Items) -> Tensor:
        """Return items as rows on the device, ``(n, L)``."""
        return torch.from_numpy(items.tokens).int().to(self.device)

    def questions(self, step: int) -> Tensor:
        """Return the questions of an update."""
        rng = np.random.default_rng([37, self.seed, step]).integers(2**31)
        return self.rows(nested_items(self.task, self.tune.prompts, int(rng), _ASKED))

    def gold(self, written: Tensor, right: Items) -> NDArray[np.float64]:
        """Return the checker's score of each written answer, 0 to 1."""
        at = list(self.places)
        return edit_similarity(written[:, at].cpu().numpy().astype(np.uint8), right.tokens[:, at])

    def compare(self, policy: nn.Module, count: int, purpose: int) -> Comparisons:
        """Return comparisons of two answers each, labelled by the checker; answers of equal worth are left out.

        Fewer comparisons are the first of more. How many answers were written for them is added to ``written``.

        Raises:
            UsageError: the policy's answers are too alike to find so many.
        """
        better, worse, found = list[Tensor](), list[Tensor](), 0
        for chunk in range(_MAX_CHUNKS * -(-count // _CHUNK)):
            items = nested_items(self.task, (chunk + 1) * _CHUNK, self.seed, purpose).take(_last(_CHUNK, chunk))
            generator = torch.Generator().manual_seed((self.seed * 7 + purpose) * 1_000_003 + chunk)
            first, second = (write_answers(policy, self.rows(items), self.places, generator) for _ in range(2))
            gain = torch.from_numpy(self.gold(second, items) - self.gold(first, items)).to(self.device)
            swap, told = (gain > 0)[:, None], gain != 0
            better.append(torch.where(swap, second, first)[told])
            worse.append(torch.where(swap, first, second)[told])
            self.written += 2 * _CHUNK
            found += int(told.sum())
            if found >= count:
                return Comparisons(torch.cat(better)[:count], torch.cat(worse)[:count])
        raise UsageError(
            "tune.all_alike",
            f"the policy's answers are too alike: {found} pairs of {_MAX_CHUNKS * count} differ in worth",
            why=f"a reward model of {count} comparisons learns from pairs of which one is better",
            hint="start from a policy that was fine-tuned less: after.preference.policy",
        )


class Proxy:
    """The learnt reward in units of its own spread: mean 0 and deviation 1 over the first policy's answers.

    Args:
        model: the reward model.
        asked: the questions.
        policy: before tuning.
    """

    def __init__(self, model: RewardModel, asked: Asked, policy: nn.Module) -> None:
        self.model = model
        held_out = asked.compare(policy, _HELD_OUT_PAIRS, _HELD_OUT)
        scores = [model.score(rows) for rows in (held_out.better, held_out.worse)]
        self.accuracy = float((scores[0] > scores[1]).double().mean())
        every = torch.cat(scores)
        self._mean, self._deviation = float(every.mean()), float(every.std()) or 1.0

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the rewards of rows."""
        return (self.model.score(rows) - self._mean) / self._deviation


class PreferenceProbe:
    """Proxy and gold score of a policy on the test questions, and how far it is from where it began.

    Args:
        asked: the questions.
        proxy: the learnt reward.
        reference: the policy before tuning.
        flops_before: of comparisons and reward model.
    """

    name = "preference"

    def __init__(self, asked: Asked, proxy: Proxy, reference: nn.Module, flops_before: float) -> None:
        self._asked, self._proxy, self._reference = asked, proxy, reference
        self._items = asked.test.take(np.repeat(np.arange(len(asked.test.tokens)), _ANSWERS))
        start = self._scores(reference)
        self._fixed = {
            "reward_accuracy": proxy.accuracy,
            "flops_before": flops_before,
            "start": {name: start[name] for name in ("proxy", "proxy_se", "gold", "gold_se", "exact")},
            "best_of": self._best_of(),
        }

    def measure(self, model: nn.Module, device: torch.device) -> Mapping[str, Any]:
        """Return the scores as plain JSON; see ``columns.TUNED`` in the store for their meaning."""
        return {**self._scores(model), **self._fixed}

    def _scores(self, policy: nn.Module) -> dict[str, Any]:
        asked = self._asked
        generator = torch.Generator().manual_seed(4711)  # the same for all, so that differences are quieter
        rows = write_answers(policy, asked.rows(self._items), asked.places, generator)
        gold, proxy = asked.gold(rows, self._items), self._proxy(rows).double().cpu().numpy()
        kl = kl_nats(policy, self._reference, rows, asked.places).double().cpu().numpy()
        halves = [_mean(gold[self._of_half(half)])[0] for half in (0, 1)]
        found = {name: _mean(values) for name, values in (("gold", gold), ("proxy", proxy), ("kl_nats", kl))}
        return {
            **{name: mean for name, (mean, _) in found.items()},
            **{f"{name}_se": error for name, (_, error) in found.items()},
            "kl_per_token_nats": found["kl_nats"][0] / len(asked.places),
            "gold_even": halves[0],
            "gold_odd": halves[1],
            "exact": float((gold == 1).mean()),
            "answers": len(gold),
            "answer_tokens": len(asked.places),
        }

    def _of_half(self, half: int) -> NDArray[np.bool_]:
        return np.asarray(np.arange(len(self._items.tokens)) // _ANSWERS % 2 == half)

    def _best_of(self) -> dict[str, list[float]]:
        """Return what the best of n answers by the proxy is worth, for n = 1, 2, 4 and so on."""
        asked, draws = self._asked, self._asked.tune.best_of
        items = asked.test.take(np.arange(min(_BEST_OF_QUESTIONS, len(asked.test.tokens))))
        many = items.take(np.repeat(np.arange(len(items.tokens)), draws))
        rows = write_answers(self._reference, asked.rows(many), asked.places, torch.Generator().manual_seed(4712))
        shape = (len(items.tokens), draws)
        return best_of_n(self._proxy(rows).cpu().numpy().reshape(shape), asked.gold(rows, many).reshape(shape))


def best_of_n(proxy: NDArray[Any], gold: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return mean proxy and gold of the best of n answers by the proxy, over all choices of n among those drawn.

    The unbiased estimator of Gao et al. 2022 (2210.10760, appendix I); KL = ln n - (n - 1) / n (Stiennon et al. 2020).

    Args:
        proxy: scores, shape ``(questions, draws)``.
        gold: the same shape.
    """
    draws = proxy.shape[1]
    order = np.argsort(proxy, axis=1)
    ranked = [np.take_along_axis(values, order, 1) for values in (proxy, gold)]
    sizes = [2**i for i in range(int(math.log2(draws)) + 1)]
    found: dict[str, list[float]] = {
        "n": [float(n) for n in sizes],
        "kl_nats": [],
        "proxy": [],
        "gold": [],
        "gold_se": [],
    }
    for n in sizes:
        weight = np.array([math.comb(i, n - 1) / math.comb(draws, n) for i in range(draws)])
        means = [values @ weight for values in ranked]
        found["kl_nats"].append(math.log(n) - (n - 1) / n)
        found["proxy"].append(float(means[0].mean()))
        found["gold"].append(float(means[1].mean()))
        found["gold_se"].append(float(means[1].std(ddof=1) / math.sqrt(len(means[1]))))
    return found


def _last(count: int, chunk: int) -> NDArray[np.intp]:
    """Return the rows of a chunk."""
    return np.arange(chunk * count, (chunk + 1) * count)


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean over answers and its standard error over questions, whose answers are not independent."""
    by_question = values.reshape(-1, _ANSWERS).mean(axis=1)
    return float(values.mean()), float(by_question.std(ddof=1) / math.sqrt(len(by_question)))
