"""Preference tuning of a next-token model: a reward model learnt from comparisons, and a policy tuned on it.

Reinforcement learning with a KL penalty (Stiennon et al. 2020, 2009.01325) by REINFORCE with a leave-one-out baseline
(Ahmadian et al. 2024, 2402.14740), and direct preference optimisation (Rafailov et al. 2023, 2305.18290). Knows nothing
of tasks: an item is a row of tokens with the places of its answer.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scaling.training.loop import Trainer, TrainState
from scaling.training.optim import set_lr_scale

_BATCH_ROWS = 1024  # in one forward pass without gradients


@torch.no_grad()
def write_answers(
    model: nn.Module, items: Int[Tensor, "B L"], places: Sequence[int], generator: torch.Generator
) -> Int[Tensor, "B L"]:
    """Return the items with answers that the model writes: sampled token by token at temperature one.

    Args:
        model: logits of the next token.
        items: rows of tokens; what stands at the answer's places is never read.
        places: of the answer's tokens, ascending.
        generator: of the samples, on the CPU.
    """
    model.eval()
    written = [_write(model, part.clone(), places, generator) for part in items.split(_BATCH_ROWS)]
    model.train()
    return torch.cat(written)


def _write(model: nn.Module, rows: Tensor, places: Sequence[int], generator: torch.Generator) -> Tensor:
    for place in places:
        odds = model(rows[:, :place])[:, -1].float().softmax(dim=-1)
        rows[:, place] = torch.multinomial(odds.cpu(), 1, generator=generator)[:, 0].to(rows)
    return rows


def answer_distributions(model: nn.Module, rows: Int[Tensor, "B L"], places: Sequence[int]) -> Float[Tensor, "B A V"]:
    """Return the log-probabilities of every token at each place of the answer."""
    logits: Tensor = model(rows[:, :-1])[:, [place - 1 for place in places]]
    return logits.float().log_softmax(dim=-1)


def answer_logprobs(model: nn.Module, rows: Int[Tensor, "B L"], places: Sequence[int]) -> Float[Tensor, " B"]:
    """Return the log-probability of each whole answer, nats."""
    every = answer_distributions(model, rows, places)
    return every.gather(2, rows[:, list(places), None].long())[..., 0].sum(dim=1)


@torch.no_grad()
def kl_nats(policy: nn.Module, reference: nn.Module, rows: Tensor, places: Sequence[int]) -> Float[Tensor, " B"]:
    """Return for each sampled answer its part of KL(policy || reference), nats per answer (sequence).

    At each place the divergence over the whole vocabulary is summed, along prefixes that the policy sampled: the same
    mean as the log-ratio of the samples, with less variance (Rao-Blackwell), and never negative.
    """
    policy.eval()
    found = []
    for part in rows.split(_BATCH_ROWS):
        ours, theirs = (answer_distributions(m, part, places) for m in (policy, reference))
        found.append((ours.exp() * (ours - theirs)).sum(dim=(1, 2)))
    policy.train()
    return torch.cat(found)


class RewardModel(nn.Module):
    """A language model with one number read from its logits where the answer stands.

    The logits are linear in the last hidden state, so a weight for each of them is a linear head on that state, for
    every family that has logits. The reward is the sum over the answer's tokens, each read once it has been seen.

    Args:
        model: its weights are copied.
        vocab_size: V.
        places: of the answer.
    """

    def __init__(self, model: nn.Module, vocab_size: int, places: Sequence[int]) -> None:
        super().__init__()
        self.places = list(places)
        self.body = copy.deepcopy(model)
        self.head = nn.Parameter(torch.zeros(vocab_size, device=next(model.parameters()).device))

    def forward(self, rows: Int[Tensor, "B L"]) -> Float[Tensor, " B"]:
        """Return the reward of each item with its answer."""
        reward: Tensor = self.body(rows)[:, self.places].float().sum(dim=1) @ self.head
        return reward

    @torch.no_grad()
    def score(self, rows: Int[Tensor, "B L"]) -> Float[Tensor, " B"]:
        """Return the rewards without gradients."""
        return torch.cat([self(part) for part in rows.split(_BATCH_ROWS)])


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Pairs of items that differ in their answers: the better ones and the worse ones, ``(n, L)`` each."""

    better: Int[Tensor, "n L"]
    worse: Int[Tensor, "n L"]

    def take(self, picks: Tensor) -> "Comparisons":
        """Return some of the pairs."""
        return Comparisons(self.better[picks], self.worse[picks])

    def __len__(self) -> int:
        return len(self.better)


def learn_reward(
    model: RewardModel, pairs: Comparisons, steps: int, lr: float, batch: int, generator: torch.Generator
) -> float:
    """Train a reward model to prefer the better answers (Bradley & Terry 1952). Returns the last loss, nats."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.01)
    loss = torch.zeros(())
    for step in range(steps):
        some = pairs.take(_picks(len(pairs), batch, generator))
        loss = -F.logsigmoid(model(some.better) - model(some.worse)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / steps)
        optimizer.step()
    model.requires_grad_(False)
    return float(loss.detach())


def _picks(n: int, batch: int, generator: torch.Generator) -> Tensor:
    """Return a batch of row numbers: different ones as far as there are."""
    rounds = -(-batch // n)
    return torch.cat([torch.randperm(n, generator=generator) for _ in range(rounds)])[:batch]


Loss = Callable[[nn.Module, int], Tensor]
"""The loss of one update: the policy and the number of the step, from 0."""


@dataclass(slots=True)
class Rloo:
    """REINFORCE with a leave-one-out baseline on a learnt reward, with a KL penalty.

    Attributes:
        questions: step -> items to answer, ``(prompts, L)``.
        reward: rows -> rewards.
        reference: the policy before tuning.
        places: of the answer.
        samples: answers to each question.
        kl_weight: penalty in units of reward a nat.
        seed: of the samples; each step has its own, so that a run resumes alike.
    """

    questions: Callable[[int], Int[Tensor, "P L"]]
    reward: Callable[[Tensor], Tensor]
    reference: nn.Module
    places: Sequence[int]
    samples: int
    kl_weight: float
    seed: int

    def __call__(self, policy: nn.Module, step: int) -> Tensor:
        """Return the loss whose gradient raises the penalised reward."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        asked = self.questions(step).repeat_interleave(self.samples, dim=0)
        rows = write_answers(policy, asked, self.places, generator)
        ours = answer_logprobs(policy, rows, self.places)
        with torch.no_grad():
            theirs = answer_logprobs(self.reference, rows, self.places)
            gain = (self.reward(rows) - self.kl_weight * (ours - theirs)).view(-1, self.samples)
            others = (gain.sum(dim=1, keepdim=True) - gain) / (self.samples - 1)
            advantage = (gain - others).flatten()
        return -(advantage * ours).mean()


@dataclass(slots=True)
class Dpo:
    """Direct preference optimisation on comparisons: no reward model, no samples.

    Attributes:
        pairs: comparisons.
        margins: log-probability of the better answer less that of the worse, by the policy before tuning; ``(n,)``.
        places: of the answer.
        batch: pairs in a step.
        beta: how far the policy may go.
        seed: of the order of the pairs.
    """

    pairs: Comparisons
    margins: Float[Tensor, " n"]
    places: Sequence[int]
    batch: int
    beta: float
    seed: int

    def __call__(self, policy: nn.Module, step: int) -> Tensor:
        """Return the loss of the pairs of a step, nats."""
        picks = _picks(len(self.pairs), self.batch, torch.Generator().manual_seed(self.seed * 1_000_003 + step))
        some = self.pairs.take(picks)
        both = answer_logprobs(policy, torch.cat([some.better, some.worse]), self.places)
        better, worse = both.chunk(2)
        return -F.logsigmoid(self.beta * (better - worse - self.margins[picks])).mean()


@dataclass(slots=True)
class PreferenceTrainer(Trainer):
    """The loop of a trial with the loss of preference tuning in place of windows; points are the policy as it is.

    Args:
        learn: the loss of one update; set before the first step.
    """

    learn: Loss | None = None

    def _step(self, state: TrainState, lr_scale: float) -> tuple[Tensor, Tensor]:
        assert self.learn is not None
        loss = self.learn(state.model, state.step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), self.train.clip)
        set_lr_scale(state.optimizers, lr_scale)
        for optimizer in state.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        state.step += 1
        return loss.detach(), norm

    def _anneal(self, start: int, horizon: int) -> None:
        self.observer.on_horizon(horizon, self.state.model, self.state.train_s)
