"""The how-to on families: its example, put where it says, holds to the contract and trains."""

import importlib.util
import re
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling import families
from scaling.data import WindowStream
from scaling.models import build, objective_of
from scaling.spec.identity import model_keys
from scaling.spec.schema import TrainSpec
from scaling.training.loop import Trainer, fresh_state

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "new-family.md"
FILES = dict(re.findall(r"```python file=scaling/(\S+)\.py\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
(ENTRY,) = re.findall(r"```python entry\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
TEXT = np.frombuffer(b"the quick brown fox jumps over the lazy dog; " * 100, dtype=np.uint8)


@pytest.fixture
def bigram(tmp_path, monkeypatch):
    """The family of the page, registered for one test."""
    for place, code in FILES.items():
        name = "scaling." + place.replace("/", ".")
        path = tmp_path / f"{name}.py"
        path.write_text(code, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    names = {**vars(families), "bigram": sys.modules["scaling.families.bigram"]}
    entry = eval("{" + ENTRY + "}", names)
    monkeypatch.setattr(families, "FAMILIES", MappingProxyType({**families.FAMILIES, **entry}))
    return families.get_family("bigram")


class Curve(list):
    def on_curve(self, line):
        self.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        """The curve is enough."""

    def on_pause(self, state):
        """Go on."""


def test_the_example_holds_to_the_contract(bigram):
    assert set(FILES) == {"families/bigram", "models/bigram"}
    config = bigram.build_config({"d_model": 8}, 128, 32)
    assert bigram.build_config(model_keys(config), 128, 32) == config
    assert bigram.params(bigram.config_for_params({}, 128, 32, 10_000)).total == pytest.approx(10_000, rel=0.02)
    with torch.device("meta"):
        model = build(bigram, config)
        windows = torch.zeros(3, 33, dtype=torch.int)
    assert sum(p.numel() for p in model.parameters()) == bigram.params(config).total
    with FlopCounterMode(display=False) as counter:
        objective_of(bigram, config).losses(model, windows).mean().backward()
    # The embedding is looked up, so only the unembedding's product goes forward, and two come back.
    assert counter.get_total_flops() / (3 * 32) == bigram.flops_per_token(config).train


def test_the_example_trains(bigram):
    config, train = bigram.build_config({"d_model": 8}, 128, 32), TrainSpec(batch_tokens=256, optimizer="adamw")
    torch.manual_seed(0)
    curve = Curve()
    state = fresh_state(build(bigram, config), train)
    stream = WindowStream(TEXT, 32, 8, seed=0)
    losses = objective_of(bigram, config).losses
    Trainer(state, losses, stream, train, torch.device("cpu"), curve).run([40])
    assert curve[-1] < 0.8 * curve[0]
