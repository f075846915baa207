"""The properties that two encoders which find each other must have."""

import math

import torch

from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.models.clip import excess

CLIP = get_family("clip")
WORDS, PATCHES, VALUES = 8, 16, 12


def built(pairs=6, **variant):
    model = {"d_model": 16, "n_layer": 2, "head_dim": 8, "patch_values": VALUES, "words": WORDS, "batch_pairs": pairs}
    config = CLIP.build_config({**model, **variant}, 20, PATCHES + WORDS)
    torch.manual_seed(0)
    return build(CLIP, config), objective_of(CLIP, config)


def stirred():
    model, objective = built()
    for p in model.parameters():  # away from the zero initialisation, which would hide what is seen
        if p.dim():
            torch.nn.init.normal_(p, std=0.3)
    return model, objective


def rows(n=6):
    torch.manual_seed(1)
    return torch.cat([torch.randint(0, 256, (n, PATCHES * VALUES)), torch.randint(0, 20, (n, WORDS))], dim=1).int()


def test_a_perfect_score_costs_nothing_and_no_score_the_logarithm_of_the_candidates():
    right = torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(excess(100.0 * right, right), torch.zeros(4))
    torch.testing.assert_close(excess(torch.zeros(4, 4), right), torch.full((4,), math.log(4)))


def test_equal_captions_are_all_right_and_what_they_leave_open_is_not_charged():
    right = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    torch.testing.assert_close(excess(100.0 * right, right), torch.zeros(3))
    scores = torch.tensor([[2.0, 2.0, 0.0]])
    chosen = math.log(2 * math.exp(2.0) / (2 * math.exp(2.0) + 1))  # the odds of naming the right words
    torch.testing.assert_close(excess(scores, right[:1]), torch.tensor([-chosen]))
    torch.testing.assert_close(excess(torch.zeros(1, 3), right[:1]), torch.tensor([math.log(3) - math.log(2)]))


def test_the_loss_of_distinct_captions_is_the_symmetric_cross_entropy():
    model, objective = stirred()
    batch = rows()
    scores = model(batch[:, :-WORDS], batch[:, -WORDS:])
    labels = torch.arange(len(batch))
    both = [torch.nn.functional.cross_entropy(s, labels, reduction="none") for s in (scores, scores.t())]
    torch.testing.assert_close(objective.losses(model, batch), torch.stack(both, dim=1))


def test_recall_counts_any_equal_caption_and_chance_counts_them_too():
    model, objective = stirred()
    batch = rows()
    batch[1, -WORDS:] = batch[0, -WORDS:]
    losses, extras = objective.measure(model, batch)
    assert losses.shape == (6, 2)
    torch.testing.assert_close(extras["recall_chance"], torch.tensor([2, 2, 1, 1, 1, 1]) / 6)
    best = model(batch[:, :-WORDS], batch[:, -WORDS:]).argmax(dim=1)
    hit = [(batch[best[i], -WORDS:] == batch[i, -WORDS:]).all().item() for i in range(6)]
    assert extras["recall_caption"].bool().tolist() == hit


def test_every_patch_and_every_word_is_seen_and_its_place_matters():
    model, _ = stirred()
    pixels, words = rows().split([PATCHES * VALUES, WORDS], dim=1)
    seen = model(pixels, words)
    for patch in range(PATCHES):
        changed = pixels.clone()
        changed[:, patch * VALUES] = 255 - changed[:, patch * VALUES]
        assert (model(changed, words) - seen).abs().max() > 1e-6
    for word in range(WORDS):
        changed = words.clone()
        changed[:, word] = (changed[:, word] + 1) % 20
        assert (model(pixels, changed) - seen).abs().max() > 1e-4
    assert (model(pixels, words.roll(1, dims=1)) - seen).abs().max() > 1e-4


def test_the_temperature_learns_and_stays_below_its_limit():
    model, objective = stirred()
    objective.losses(model, rows()).mean().backward()
    assert model.temperature.grad.abs() > 0
    with torch.no_grad():
        model.temperature.fill_(50.0)
    batch = rows()
    assert model(batch[:, :-WORDS], batch[:, -WORDS:]).abs().max() <= 100.001
