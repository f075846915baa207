"""One cell of a sweep to one trial: keys to a config, wishes to whole steps, everything counted and named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError

from scaling.errors import UsageError
from scaling.families import Config, Family, FlopsPerToken, Params, Recipe
from scaling.spec.abilities import MIN_CONTEXT, AbilitiesSpec
from scaling.spec.blocks import Cell, Wish
from scaling.spec.document import KeyPath, Problem, dotted
from scaling.spec.explain import axis_keys, nearest, problems_of
from scaling.spec.identity import TRAINER_VERSION, model_keys, trial_hash, trial_id
from scaling.spec.schema import DataIdentity, Scalar, SweepSpec, TrainSpec, TrialSpec
from scaling.spec.tuning import Base
from scaling.units import format_si

MAX_PARAMS = 1e13
MAX_EPOCHS = 1000
_MAX_MODEL_NUMBER = 1_000_000  # width, depth and the like: refused before any arithmetic
_SIZE_OFF = 0.05  # a size that misses what was asked by more than this is noted


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial:
    """One trial, resolved and counted.

    Attributes:
        id: first 16 hexadecimal digits of ``sha256``; the trial's folder.
        sha256: hash of everything that changes the number.
        spec: what the trial's process reads.
        config: the family's resolved config.
        params: exact parameter counts.
        flops_per_token: exact training FLOPs of one token.
        flops_total: training FLOPs to the last horizon (attention as half).
        tokens: D at the last horizon.
        steps: optimizer steps to the last horizon.
        epochs: passes over the training data to the last horizon.
        memory_bytes: predicted training memory by component.
        notes: what was rounded, and what is unusual.
    """

    id: str
    sha256: str
    spec: TrialSpec
    config: Config
    params: Params
    flops_per_token: FlopsPerToken
    flops_total: float
    tokens: int
    steps: int
    epochs: float
    memory_bytes: Mapping[str, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Model:
    """A size with its arithmetic; cells of one size share it."""

    config: Config
    params: Params
    flops: FlopsPerToken


class Refused(Exception):
    """A cell that cannot become a trial."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


class Resolver:
    """Turns cells into trials, which stand on ``before`` where there is such a trial; remembers the models built."""

    def __init__(
        self,
        spec: SweepSpec,
        family: Family,
        identity: DataIdentity,
        location: Mapping[str, object],
        before: PlannedTrial | None = None,
    ) -> None:
        self._spec = spec
        self._family = family
        self._identity = identity
        self._location = location
        self._before = before
        self._models: dict[tuple[object, ...], _Model] = {}
        self._known = frozenset(axis_keys(family.name))

    def trial(self, cell: Cell) -> PlannedTrial:
        """Resolve one cell. Raises ``Refused`` with everything that is wrong with it."""
        self._suits()
        unknown = [key for key in cell.keys if key not in self._known]
        if unknown:
            _refuse(cell.places[unknown[0]], f'unknown key "{unknown[0]}"{nearest(unknown[0], self._known)}')
        train = self._train(cell)
        model = self._model(cell, train)
        horizons, notes = self._horizons(cell, train, model)
        spec = TrialSpec(
            family=self._family.name,
            model=model_keys(model.config),
            data=self._identity,
            train=train,
            seed=cell.seed,
            trainer_version=TRAINER_VERSION,
            label="",
            horizons=tuple(sorted(set(horizons))),
            data_location=self._location,
            samples=self._spec.samples,
            abilities=self._abilities(),
            base=None if self._before is None else Base(trial=self._before.id, tokens=self._before.tokens),
        )
        sha256 = trial_hash(spec)
        tokens = spec.horizons[-1]
        return PlannedTrial(
            id=trial_id(sha256),
            sha256=sha256,
            spec=spec,
            config=model.config,
            params=model.params,
            flops_per_token=model.flops,
            flops_total=model.flops.train * tokens,
            tokens=tokens,
            steps=tokens // train.batch_tokens,
            epochs=tokens / self._identity.train_tokens,
            memory_bytes=self._memory(model.config, train),
            notes=(*_size_note(cell, model.params.total), *notes),
        )

    def _suits(self) -> None:
        """Refuse what the family's facts rule out: other data, and what only a model of the next token can do."""
        family, spec = self._family, self._spec
        if self._identity.kind != family.eats:
            _refuse(("data",), f"model family {family.name} eats {family.eats}, and this data is {self._identity.kind}")
        if family.measured_rows is not None:
            self._suits_together(family.measured_rows)
        if family.keeps_batches and spec.executor.gpus_per_trial > 1:
            _refuse(
                ("executor", "gpus_per_trial"),
                f"family {family.name} compares the rows of a batch, which several processes would divide: use 1",
            )
        if family.predicts_next:
            return
        why = f"model family {family.name} is trained on {family.objective}: it"
        if spec.abilities is not None:
            _refuse(("abilities",), f"{why} gives no next token, so no ability can be probed")
        if spec.samples.prompts:
            _refuse(("samples", "prompts"), f"{why} gives no next token, so no prompt can be continued")

    def _suits_together(self, together: int) -> None:
        """Refuse what would measure other rows together than were asked for."""
        rows, rest = divmod(self._identity.validation_tokens // self._identity.context, together)
        if rest:
            whole = together * self._identity.context
            use = " or ".join(f"{n * whole:,}" for n in (rows, rows + 1) if n)
            _refuse(
                ("data", "validation_tokens"),
                f"rows are compared by {together}, and {rest} would be left over: use {use}",
            )

    def _abilities(self) -> AbilitiesSpec | None:
        wanted, identity = self._spec.abilities, self._identity
        if wanted is not None and identity.context < MIN_CONTEXT:
            _refuse(("data", "context"), f"abilities need a data.context of {MIN_CONTEXT} tokens or more")
        if wanted is not None and identity.tokenizer not in ("ascii", "bytes"):
            _refuse(("abilities",), f"abilities are written in bytes; the tokenizer here is {identity.tokenizer!r}")
        return wanted

    def _memory(self, config: Config, train: TrainSpec) -> Mapping[str, float]:
        return self._family.memory_bytes(config, recipe_of(train))

    def _train(self, cell: Cell) -> TrainSpec:
        keys = {key: value for key, value in cell.keys.items() if key.startswith("train.")}
        train = self._spec.train
        if keys:
            data: dict[str, Any] = train.model_dump()
            for key, value in keys.items():
                *parents, last = key.split(".")[1:]
                (data[parents[0]] if parents else data)[last] = value
            try:
                train = TrainSpec.model_validate(data)
            except ValidationError as error:
                raise Refused(*(self._moved(p, cell) for p in problems_of(error, data))) from error
        context = self._identity.context
        if train.batch_tokens % context:
            below, above = train.batch_tokens // context * context, -(-train.batch_tokens // context) * context
            use = f"{below:,} or {above:,}" if below else f"{above:,}"
            _refuse(
                cell.places.get("train.batch_tokens", ("train", "batch_tokens")),
                f"train.batch_tokens {train.batch_tokens:,} is not a multiple of data.context {context}: use {use}",
            )
        return train

    def _moved(self, problem: Problem, cell: Cell) -> Problem:
        key = dotted(("train", *problem.path))
        return Problem(cell.places.get(key, ("train", *problem.path)), f"train.{problem.message}")

    def _model(self, cell: Cell, train: TrainSpec) -> _Model:
        keys: dict[str, Scalar] = {k: v for k, v in self._spec.model.items() if k != "family"}
        keys |= {key.removeprefix("model."): v for key, v in cell.keys.items() if key.startswith("model.")}
        for key, (value, says) in self._settled(train).items():
            if key in keys:
                _refuse(self._model_place(cell, key), f"model.{key} is not to be chosen: {says} says it")
            keys[key] = value
        cache_key = (cell.size, *sorted((k, type(v).__name__, v) for k, v in keys.items()))
        if cache_key not in self._models:
            self._models[cache_key] = self._build(cell, keys)
        return self._models[cache_key]

    def _settled(self, train: TrainSpec) -> dict[str, tuple[Scalar, str]]:
        """Return keys of the model that follow from elsewhere in the sweep, and from where."""
        found: dict[str, tuple[Scalar, str]] = {}
        if self._family.contrast is not None:
            rows = train.batch_tokens // self._identity.context
            found[self._family.contrast.key] = (rows, "train.batch_tokens")
        if self._before is not None and self._family.stands_on is not None:
            says = self._before.spec.model
            found |= {key: (says[key], f"before.model.{key}") for key in self._family.stands_on.keys}
        return found

    def _build(self, cell: Cell, keys: Mapping[str, Scalar]) -> _Model:
        vocab_size, context = self._identity.vocab_size, self._identity.context
        at_size = cell.places.get("size", cell.path)
        for key, value in keys.items():
            if isinstance(value, int | float) and abs(value) > _MAX_MODEL_NUMBER:
                _refuse(self._model_place(cell, key), f"model.{key} {value:g} is absurd: at most {_MAX_MODEL_NUMBER:,}")
        if cell.size is not None and cell.size > MAX_PARAMS:
            _refuse(at_size, f"a size of {cell.size:.3g} parameters is absurd: at most {MAX_PARAMS:.0e}")
        for key in keys.keys() & self._identity.shape.keys():
            _refuse(self._model_place(cell, key), f"model.{key} is not to be chosen: it follows from the data")
        keys = {**keys, **self._identity.shape}
        try:
            if cell.size is None:
                config = self._family.build_config(keys, vocab_size, context)
            else:
                config = self._family.config_for_params(keys, vocab_size, context, cell.size)
        except UsageError as error:
            key = (error.where or "").removeprefix("model.")
            place = self._model_place(cell, key) if key != "sizes" else at_size
            raise Refused(Problem(place, error.what + (f": {error.hint}" if error.hint else ""))) from error
        params = self._family.params(config)
        if params.total > MAX_PARAMS:
            _refuse(cell.path, f"{params.total:.3g} parameters are absurd: at most {MAX_PARAMS:.0e}")
        return _Model(config, params, self._family.flops_per_token(config))

    def _model_place(self, cell: Cell, key: str) -> KeyPath:
        given = cell.places.get(f"model.{key}")
        if given is not None:
            return given
        return ("model", key) if key in self._spec.model else cell.places.get("size", cell.path)

    def _horizons(self, cell: Cell, train: TrainSpec, model: _Model) -> tuple[list[int], list[str]]:
        tokens: list[int] = []
        notes: list[str] = []
        problems: list[Problem] = []
        for wish in cell.wishes:
            asked = _tokens_asked(wish, model)
            problem = self._beyond(wish, asked, train, model)
            if problem is not None:
                problems.append(problem)
                continue
            whole = round(asked / train.batch_tokens) * train.batch_tokens
            if whole != asked:
                means = "" if wish.horizon.unit == "tokens" else f" = {asked:,.0f} tokens"
                notes.append(f"{wish.horizon}{means}, rounded to {whole:,} ({whole // train.batch_tokens:,} steps)")
            tokens.append(whole)
        if problems:
            raise Refused(*problems)
        return tokens, notes

    def _beyond(self, wish: Wish, asked: float, train: TrainSpec, model: _Model) -> Problem | None:
        size = format_si(float(model.params.total))
        if asked < train.batch_tokens:
            message = f"{wish.horizon} is {asked:,.0f} tokens at {size} parameters: less than one step"
            return Problem(wish.path, f"{message} of {train.batch_tokens:,} (train.batch_tokens)")
        epochs = asked / self._identity.train_tokens
        if epochs > MAX_EPOCHS:
            message = f"{wish.horizon} is {asked:.3g} tokens at {size} parameters: {epochs:,.0f} passes over"
            corpus = f"a corpus of {self._identity.train_tokens:,}"
            return Problem(wish.path, f"{message} {corpus}; at most {MAX_EPOCHS:,} make sense")
        return None


def recipe_of(train: TrainSpec) -> Recipe:
    """Return what of a recipe decides its memory."""
    return Recipe(
        batch_tokens=train.batch_tokens,
        precision=train.precision,
        optimizer=train.optimizer,
        anneal=train.anneal,
    )


def _tokens_asked(wish: Wish, model: _Model) -> float:
    amount = wish.horizon.amount
    if wish.horizon.unit == "tokens_per_param":
        return amount * model.params.total
    return amount / model.flops.train if wish.horizon.unit == "flops" else amount


def _size_note(cell: Cell, total: int) -> tuple[str, ...]:
    if cell.size is None or abs(total / cell.size - 1) <= _SIZE_OFF:
        return ()
    return (f"asked for {format_si(cell.size)} parameters, the nearest shape has {format_si(float(total))}",)


def _refuse(path: KeyPath, message: str) -> NoReturn:
    raise Refused(Problem(path, message))
