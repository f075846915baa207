"""The properties a classifier of patches must have."""

import math

import pytest
import torch

from scaling.families import get_family
from scaling.models import build, objective_of

VIT = get_family("vit")


def built(**variant):
    model = {"d_model": 32, "n_layer": 2, "head_dim": 16, "patch_values": 16, **variant}
    config = VIT.build_config(model, 10, 16)
    torch.manual_seed(0)
    return build(VIT, config), objective_of(VIT, config)


def stirred(**variant):
    model, objective = built(**variant)
    for p in model.parameters():  # away from the zero initialisation, which would hide what is seen
        torch.nn.init.normal_(p, std=0.2)
    return model, objective


def rows(n=4):
    torch.manual_seed(1)
    return torch.cat([torch.randint(0, 256, (n, 256)), torch.randint(0, 10, (n, 1))], dim=1).int()


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_every_label_is_as_likely_at_the_start(pool):
    model, objective = built(pool=pool)
    losses, extras = objective.measure(model, rows())
    torch.testing.assert_close(losses, torch.full((4, 1), math.log(10)))
    assert extras["accuracy"].shape == (4,)


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_every_patch_is_seen_and_its_place_matters(pool):
    model, _ = stirred(pool=pool)
    pictures = rows()[:, :-1]
    seen = model(pictures)
    for patch in range(16):
        changed = pictures.clone()
        changed[:, patch * 16] = 255 - changed[:, patch * 16]
        assert (model(changed) - seen).abs().max() > 1e-6
    assert (model(pictures.roll(16, dims=1)) - seen).abs().max() > 1e-3


def test_the_label_is_never_part_of_what_is_seen():
    model, objective = stirred()
    batch = rows()
    other = batch.clone()
    other[:, -1] = (other[:, -1] + 1) % 10
    logits = model(batch[:, :-1])
    for given in (batch, other):
        expected = torch.nn.functional.cross_entropy(logits, given[:, -1].long(), reduction="none")
        torch.testing.assert_close(objective.losses(model, given)[:, 0], expected)
    right = objective.measure(model, batch)[1]["accuracy"]
    assert torch.equal(right.bool(), logits.argmax(dim=1) == batch[:, -1])
