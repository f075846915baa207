"""What a discrete VAE of patches and a decoder over its codes must do."""

import math

import numpy as np
import pytest
import torch

from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.models.dalle import coded

DVAE, DALLE = get_family("dvae"), get_family("dalle")
WORDS, PATCHES, VALUES, CODES, VOCAB = 4, 4, 12, 5, 9
CONTEXT = WORDS + PATCHES
DATA = {"patch_values": VALUES, "words": WORDS}


def first_stage():
    config = DVAE.build_config({"codes": CODES, **DATA}, VOCAB, CONTEXT)
    torch.manual_seed(0)
    model = build(DVAE, config)
    with torch.no_grad():
        model.drawings.uniform_(-0.8, 0.8)
        model.begun.fill_(True)
    return model, objective_of(DVAE, config)


def second_stage():
    base, _ = first_stage()
    shape = {"d_model": 16, "n_layer": 1, "head_dim": 8, "codes": CODES, **DATA}
    config = DALLE.build_config(shape, VOCAB, CONTEXT)
    torch.manual_seed(0)
    model = build(DALLE, config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return model, objective_of(DALLE, config, base), base, config


def rows(n=6):
    rng = np.random.default_rng(1)
    return np.concatenate([rng.integers(0, 256, (n, PATCHES * VALUES)), rng.integers(0, VOCAB, (n, WORDS))], axis=1)


def test_the_bound_is_the_evidence_summed_over_all_codes():
    model, objective = first_stage()
    batch = torch.from_numpy(rows()).int()
    spread = model.spread.exp().item()
    means = (model.drawings.detach() + 1) * 127.5
    for row, loss in zip(batch, objective.losses(model, batch)[:, 0], strict=True):
        total = 0.0
        for patch in row[: PATCHES * VALUES].view(PATCHES, VALUES):
            each = torch.distributions.Normal(means, spread).log_prob(patch.float()[None]).sum(dim=1)
            total += -(each - math.log(CODES)).logsumexp(dim=0).item()
        assert loss.item() == pytest.approx(total, rel=1e-5)


def test_a_code_length_is_never_below_the_bound_and_codes_are_the_nearest_drawings():
    model, objective = first_stage()
    batch = torch.from_numpy(rows()).int()
    lengths, extras = objective.measure(model, batch)
    assert (lengths >= objective.losses(model, batch)).all()
    torch.testing.assert_close(extras["code_share"].sum(dim=1), torch.ones(6))
    codes = torch.randint(0, CODES, (6, PATCHES))
    torch.testing.assert_close(model.codes(model.pictures(codes)), codes)


def test_the_first_batch_lays_out_the_table_once_and_far_apart():
    config = DVAE.build_config({"codes": 3, **DATA}, VOCAB, CONTEXT)
    model, objective = build(DVAE, config), objective_of(DVAE, config)
    batch = torch.zeros(8, PATCHES * VALUES + WORDS, dtype=torch.int32)
    batch[3, :VALUES], batch[5, VALUES : 2 * VALUES] = 255, 128  # one bright patch and one grey among black ones
    objective.losses(model, batch)
    seen = {round(v, 2) for v in model.drawings[1:].mean(dim=1).tolist()}
    assert seen == {1.0, round(128 / 127.5 - 1, 2)}
    before = model.drawings.detach().clone()
    objective.losses(model, batch.flip(0) + 1)
    torch.testing.assert_close(model.drawings.detach(), before)


def test_rows_hold_a_start_the_words_and_the_codes_after_the_words():
    _, _, base, config = second_stage()
    found = coded(rows(), base, config)
    assert found.shape == (6, 1 + CONTEXT)
    assert set(found[:, 0]) == {VOCAB + CODES}
    np.testing.assert_array_equal(found[:, 1 : 1 + WORDS], rows()[:, -WORDS:])
    codes = base.codes(torch.from_numpy(rows()[:, :-WORDS]).int()).numpy()
    np.testing.assert_array_equal(found[:, 1 + WORDS :] - VOCAB, codes)


def test_losses_part_into_text_and_picture():
    model, objective, *_ = second_stage()
    batch = torch.from_numpy(objective.encode(rows()).astype(np.int32))
    losses, extras = objective.measure(model, batch)
    assert losses.shape == (6, CONTEXT)
    torch.testing.assert_close(losses[:, :WORDS].mean(dim=1), extras["loss_text"])
    torch.testing.assert_close(losses[:, WORDS:].mean(dim=1), extras["loss_image"])


def test_what_is_drawn_follows_caption_and_seed_alone_and_comes_from_the_models_own_law():
    model, objective, base, _ = second_stage()
    one = objective.encode(rows(1)).astype(np.int32)
    batch = torch.from_numpy(np.repeat(one, 4000, axis=0))
    drawn = objective.draw(model, batch, 0)
    assert drawn.shape == (4000, PATCHES * VALUES + WORDS)
    np.testing.assert_array_equal(drawn[:, -WORDS:], np.repeat(rows(1)[:, -WORDS:], 4000, axis=0))
    np.testing.assert_array_equal(drawn, objective.draw(model, batch, 0))
    assert not np.array_equal(drawn, objective.draw(model, batch, 1))
    other = batch.clone()
    other[:, 1 + WORDS :] = VOCAB  # the true codes are not looked at
    np.testing.assert_array_equal(drawn, objective.draw(model, other, 0))
    first = base.codes(torch.from_numpy(drawn[:, :-WORDS].astype(np.int32)))[:, 0]
    with torch.no_grad():
        law = model(batch[:1, : 1 + WORDS])[0, -1, VOCAB : VOCAB + CODES].softmax(dim=0)
    share = torch.bincount(first, minlength=CODES) / 4000
    assert ((share - law).abs() < 4 * (law * (1 - law) / 4000).sqrt() + 1e-3).all()


def test_pictures_of_the_true_codes_are_those_of_the_first_stage():
    _, objective, base, _ = second_stage()
    batch = torch.from_numpy(objective.encode(rows()).astype(np.int32))
    pixels = torch.from_numpy(rows()[:, :-WORDS]).int()
    np.testing.assert_array_equal(objective.rebuild(batch)[:, :-WORDS], base.pictures(base.codes(pixels)).numpy())
