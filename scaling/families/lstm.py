"""Arithmetic of the recurrent language model: layers of LSTM (Hochreiter & Schmidhuber 1997; gates as in torch).

Kaplan et al. 2020 (2001.08361, section 3.2.1) set it beside the transformer: as good early in a window, behind late in
it. FLOPs are 2 per multiply-add in matrix products; gates and cell states are left out, as norms are in ``gpt``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import Keys, decided_by_size, nearest_size, needed, whole
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe

_GATES = 4  # input, forget, cell, output
_KEPT_WIDTHS = 17  # values a layer keeps per token, in widths: oneDNN's kernel (measured, torch 2.13, widths 64 to 256)
_WIDTH_STEP = 8
_DEFAULT_LAYERS = 2  # as in Kaplan et al. 2020 and most before


@dataclass(frozen=True, slots=True, kw_only=True)
class LSTMConfig:
    """One size of the family.

    Attributes:
        d_model: width of embedding and hidden states.
        n_layer: layers of LSTM, one on the other.
        vocab_size: tokens in the vocabulary.
        context: tokens in a training window; the state begins at zero with each.
        tied: the unembedding shares the embedding matrix.
    """

    d_model: int
    n_layer: int
    vocab_size: int
    context: int
    tied: bool = False


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "d_model": "width of embedding and hidden states",
        "n_layer": "layers of LSTM",
        "tied": "share embedding and unembedding (true | false)",
    }
)
KEYS = Keys(family="lstm", fields=FIELDS, whole=("d_model", "n_layer"), flags=("tied",))


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> LSTMConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    return LSTMConfig(
        d_model=needed(model, "d_model"),
        n_layer=whole(model, "n_layer") or _DEFAULT_LAYERS,
        vocab_size=vocab_size,
        context=context,
        tied=model.get("tied") is True,
    )


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> LSTMConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio; width moves in steps of 8."""
    KEYS.check(model)
    decided_by_size(model, d_model="remove it")

    def widths() -> Iterator[dict[str, object]]:
        yield from ({**model, "d_model": width} for width in range(_WIDTH_STEP, 65_536, _WIDTH_STEP))

    return nearest_size(
        target, widths(), lambda keys: build_config(keys, vocab_size, context), lambda c: params(c).total
    )


def _layer_matmul(c: LSTMConfig) -> int:
    """Weights of one layer: from its input and from its own last state to each gate."""
    return _GATES * 2 * c.d_model**2


def params(c: LSTMConfig) -> Params:
    """Return the counts; torch's layers have two biases a gate."""
    table = c.vocab_size * c.d_model
    recurrent = c.n_layer * (_layer_matmul(c) + 2 * _GATES * c.d_model)
    groups = {"embedding": table, "recurrent": recurrent, "unembedding": 0 if c.tied else table}
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=recurrent,
        matmul=c.n_layer * _layer_matmul(c) + table,
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: LSTMConfig) -> FlopsPerToken:
    """Return the training FLOPs of a token.

    Backward is twice forward but for one product: no gradient is needed of the zero state that a window begins with.
    """
    counts = params(c)
    assert counts.matmul is not None
    forward = 2.0 * counts.matmul
    first_state = c.n_layer * 2.0 * _GATES * c.d_model**2 / c.context
    train = 3 * forward - first_state
    return FlopsPerToken(train=train, train_full_attention=train, rough_6n=6.0 * counts.total, forward=forward)


def memory_bytes(c: LSTMConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    counts = params(c)
    hidden = float(c.n_layer * _layer_matmul(c))
    kept = c.n_layer * recipe.value_bytes * _KEPT_WIDTHS * c.d_model
    ends = 2 * recipe.value_bytes * c.d_model + FP32 * c.vocab_size + 32
    return components(
        recipe,
        total=float(counts.total),
        hidden=hidden,
        largest_stack=hidden,
        activations=recipe.batch_tokens * float(kept + ends),
        at_loss=recipe.batch_tokens * 2.0 * FP32 * c.vocab_size,
    )
