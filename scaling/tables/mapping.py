"""Which column is what: named by the user, or guessed from common names, never both and never silently."""

import re
from collections.abc import Iterable, Mapping

from scaling.errors import UsageError
from scaling.tables.table import Mapped
from scaling.units import parse_count

# field -> (column of the points, names in order of preference, normalised)
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "params": (
        "params_total",
        (
            "params_total", "total_params", "n_params", "num_params", "nparams", "params", "n_params_total",
            "parameters", "n_parameters", "num_parameters", "total_parameters", "parameter_count", "param_count",
            "model_size", "model_params", "model_parameters", "size", "n",
        ),
    ),
    "params_non_embedding": (
        "params_non_embedding",
        (
            "params_non_embedding", "non_embedding_params", "n_params_non_embedding", "params_no_embed",
            "num_non_embedding_params", "non_embedding_parameters", "non_emb_params", "params_non_emb",
            "n_params_nonembed", "non_embed_params",
        ),
    ),
    "params_matmul": ("params_matmul", ("params_matmul",)),
    "tokens": (
        "tokens",
        (
            "tokens", "n_tokens", "num_tokens", "tokens_seen", "tokens_trained", "train_tokens", "training_tokens",
            "tokens_total", "total_tokens", "consumed_tokens", "consumed_train_tokens", "num_input_tokens_seen", "d",
        ),
    ),
    "tokens_unique": ("tokens_unique", ("tokens_unique", "unique_tokens", "n_unique_tokens", "num_unique_tokens")),
    "epochs": ("epochs", ("epochs", "n_epochs", "num_epochs")),
    "flops": (
        "flops_train",
        (
            "flops_train", "training_flop", "training_flops", "train_flops", "total_flops", "total_flos", "flops",
            "flop", "n_flops", "num_flops", "training_compute", "train_compute", "compute_flops", "total_compute",
            "compute", "c",
        ),
    ),
    "loss": (
        "loss_nats",
        (
            "loss_nats", "val_loss", "validation_loss", "valid_loss", "eval_loss", "loss_val", "loss_eval",
            "final_val_loss", "test_loss", "loss_test", "final_loss", "loss", "nll", "val_nll", "ce_loss",
            "train_loss", "loss_train", "training_loss",
        ),
    ),
    "perplexity": ("", ("val_ppl", "val_perplexity", "eval_ppl", "eval_perplexity", "ppl", "perplexity")),
    "bpb": ("bpb", ("bpb", "val_bpb", "bits_per_byte")),
    "energy": ("energy_gpu_j", ("energy_gpu_j", "gpu_energy_j", "energy_gpu", "gpu_energy")),
    "train_s": ("train_s", ("train_s", "train_seconds", "training_s", "training_seconds")),
    "seed": ("seed", ("seed", "random_seed", "rng_seed")),
    "run": ("trial", ("run_id", "run", "run_name", "trial", "trial_id", "run_uuid", "id", "name")),
    "label": ("label", ("label", "display_name", "run_name", "name")),
    "step": ("", ("step", "global_step", "iteration", "trainer_global_step")),
    "family": ("family", ("family", "architecture", "arch", "model_family")),
    "data": ("data_fingerprint", ("data_fingerprint", "dataset", "corpus", "train_data", "training_data")),
    "validation": ("validation_fingerprint", ("validation_fingerprint", "validation_set", "val_set")),
    "status": ("", ("status", "state")),
}  # fmt: skip

_UNITS: dict[str, float] = {
    "k": 1e3, "thousand": 1e3, "thousands": 1e3,
    "m": 1e6, "million": 1e6, "millions": 1e6, "mil": 1e6,
    "b": 1e9, "bn": 1e9, "billion": 1e9, "billions": 1e9,
    "t": 1e12, "trillion": 1e12, "trillions": 1e12,
}  # fmt: skip
_COUNTS = frozenset({"params", "params_non_embedding", "params_matmul", "tokens", "tokens_unique"})
_PF_DAY = 1e15 * 86400
_FLOP_UNITS: dict[str, float] = {"pf_days": _PF_DAY, "pflops_days": _PF_DAY, "pfs_days": _PF_DAY, "pf_day": _PF_DAY}
_ENERGY_UNITS: dict[str, float] = {"wh": 3600.0, "kwh": 3.6e6, "mwh": 3.6e9, "kj": 1e3}
_PREFIXES = ("config.", "summary.", "metrics.", "params.", "hparams.", "hparam/", "hp.", "tags.")
_NOT_A_LOSS = re.compile(r"(^|_)(ci|cilo|cihi|std|stderr|se|err|error|min|max|low|high|lo|hi|scale|weight|aux|z)(_|$)")
_SCALED = re.compile(r"^(?P<column>.+?)\s*\*\s*(?P<factor>[\d.]+(?:[eE][+-]?\d+)?)$")


def normalise(name: str) -> str:
    """Return a column name in lower case with single underscores: ``Model Size`` and ``val/loss`` become names."""
    for prefix in _PREFIXES:
        if name.lower().startswith(prefix) and len(name) > len(prefix):
            name = name[len(prefix) :]
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def map_columns(names: Iterable[str], given: Mapping[str, str], where: str) -> tuple[dict[str, Mapped], list[str]]:
    """Decide which column fills each field.

    Args:
        names: columns of the table.
        given: field -> column, ``column*1e9``, or a number such as ``124M`` that holds for every row.
        where: the table, for errors.

    Returns:
        Field -> source, and notes about other columns that could have been meant.

    Raises:
        UsageError: an unknown field or column is given, or several columns could be the loss.
    """
    columns = list(names)
    mapping = {field: _given(field, text, columns, where) for field, text in given.items()}
    taken = {m.column for m in mapping.values()}
    by_name: dict[str, str] = {}
    for column in columns:
        if column not in taken:
            by_name.setdefault(normalise(column), column)
    notes: list[str] = []
    for field in FIELDS:
        if field not in mapping:
            found = _guesses(field, by_name)
            mapping |= {field: found[0]} if found else {}
            notes += _others(field, found)
    if "loss" not in mapping and "perplexity" not in mapping:
        mapping |= _only_loss(by_name, where)
    if mapping.get("label") == mapping.get("run"):
        mapping.pop("label", None)
    return mapping, notes


def _given(field: str, text: str, columns: list[str], where: str) -> Mapped:
    if field not in FIELDS:
        raise UsageError(
            "tables.unknown_field", f"{field!r} is not a field of a point", where=f"--column {field}={text}",
            hint=f"one of {', '.join(FIELDS)}",
        )  # fmt: skip
    if text in columns:
        return Mapped(column=text, how="given", factor=1.0)
    scaled = _SCALED.match(text)
    if scaled and scaled["column"] in columns:
        return Mapped(column=scaled["column"], how="given", factor=float(scaled["factor"]))
    try:
        parse_count(text)
    except ValueError:
        raise UsageError(
            "tables.no_column",
            f"the table has no column {text!r}",
            where=where,
            hint=f"its columns: {', '.join(columns)}; or give a number that holds for every row: {field}=124M",
        ) from None
    return Mapped(column=text, how="constant")


def _guesses(field: str, by_name: Mapping[str, str]) -> list[Mapped]:
    """Return every column that could be the field, best first: exact names, then names with a unit at their end."""
    names = FIELDS[field][1]
    found = [Mapped(column=by_name[n], how="guessed") for n in names if n in by_name]
    units = _UNITS if field in _COUNTS else {"flops": _FLOP_UNITS, "energy": _ENERGY_UNITS}.get(field, {})
    found += [
        Mapped(column=by_name[f"{n}_{unit}"], how="guessed", factor=factor)
        for n in names
        for unit, factor in units.items()
        if f"{n}_{unit}" in by_name
    ]
    return found


def _others(field: str, found: list[Mapped]) -> list[str]:
    if len(found) < 2 or field in ("label", "run", "status", "step"):
        return []
    others = ", ".join(m.column for m in found[1:])
    return [f"{field}: took {found[0].column}; {others} could be meant too (--column {field}=NAME)."]


def _only_loss(by_name: Mapping[str, str], where: str) -> dict[str, Mapped]:
    """Take the one column with "loss" in its name. Raises ``UsageError`` when there are several."""
    found = [c for n, c in by_name.items() if re.search(r"(^|_)(loss|nll)(_|$)", n) and not _NOT_A_LOSS.search(n)]
    if len(found) > 1:
        raise UsageError(
            "tables.which_loss",
            f"{len(found)} columns could be the loss: {', '.join(found)}",
            where=where,
            why="a law of another validation set is another law",
            hint=f"name one: --column loss={found[0]}",
        )
    return {"loss": Mapped(column=found[0], how="guessed")} if found else {}
