"""``scaling sample``: text from the final weights of a trial."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.cli.output import print_json
from scaling.errors import MachineError, UsageError

if TYPE_CHECKING:
    from torch import nn

    from scaling.spec.schema import TrialSpec
    from scaling.store.layout import TrialFolder


def command(
    trial: Annotated[str, typer.Argument(help="A trial: its folder, or STORE/ID, or STORE/LABEL ('d64 s0').")],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="Text to continue.")],
    tokens: Annotated[int, typer.Option("--tokens", "-n", min=1, max=100_000, help="How many to generate.")] = 200,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0 is greedy.")] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same text.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Generate text with a trained model of a store.

    Example:  scaling sample "runs/quickstart/d96 s0" --prompt "def "
    """
    from scaling.data.tokenizer import find
    from scaling.training.sampling import generate

    if not prompt:
        raise UsageError("sample.empty_prompt", "the prompt is empty", hint='give some text: --prompt "def "')
    folder = find_trial(Path(trial))
    spec = folder.read_spec()
    _refuse_speechless(spec)
    tokenizer = find(spec.data, folder.root)
    start = tokenizer.prompt(prompt)
    (written,) = generate(_model(folder, spec), [start], tokens, temperature, [seed], spec.data.context)
    decoded = tokenizer.decode(written)
    if as_json:
        print_json({"schema": 1, "trial": folder.id, "label": spec.label, "prompt": prompt, "text": decoded})
    else:
        typer.echo(prompt + decoded)


def _refuse_speechless(spec: "TrialSpec") -> None:
    from scaling.families import get_family

    family = get_family(spec.family)
    if not family.predicts_next:
        raise UsageError(
            "sample.no_next_token",
            f"a model of family {family.name} continues no text: it is trained on {family.objective}",
            where=spec.label,
            hint=f"its points hold what it can do: {', '.join(family.metrics) or 'its loss'}",
        )


def find_trial(path: Path) -> "TrialFolder":
    """Return the trial at a path: its own folder, or its store followed by an id or a label.

    Raises:
        UsageError: no store or no such trial; lists what is there.
    """
    from scaling.store.layout import StoreFolder, TrialFolder

    if path.parent.name == "trials" and path.is_dir():
        return TrialFolder(path.parent.parent, path.name)
    store = StoreFolder(path.parent)
    store.read_sweep()
    labels = {i: store.trial(i).read_spec().label for i in store.trial_ids()}
    for trial_id, label in labels.items():
        if path.name in (trial_id, label):
            return store.trial(trial_id)
    raise UsageError(
        "sample.no_trial",
        f"no trial {path.name!r} in {path.parent}",
        hint=f"its trials: {', '.join(sorted(labels.values())) or 'none yet'}",
    )


def _model(folder: "TrialFolder", spec: "TrialSpec") -> "nn.Module":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from scaling.families import get_family
    from scaling.models import build

    end = folder.end()
    if end is None or end.weights is None:
        raise UsageError(
            "sample.no_weights",
            f"trial {spec.label!r} has no final weights",
            where=str(folder.path),
            hint="finish the sweep with `scaling run`",
        )
    family = get_family(spec.family)
    model = build(family, family.build_config(spec.model, spec.data.vocab_size, spec.data.context))
    path = folder.weights_path(end.tokens)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise MachineError("sample.bad_weights", f"cannot load the weights: {error}", where=str(path)) from error
    return model
