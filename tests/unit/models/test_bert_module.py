"""A masked token can be told from its neighbours on both sides, and never from itself."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.families import get_family
from scaling.families.bert import masked
from scaling.models import build, objective_of

BERT = get_family("bert")
CONTEXT, VOCAB = 40, 50
COUNT = masked(CONTEXT)
ROWS = np.random.default_rng(0).integers(0, VOCAB, (5, CONTEXT + 1), dtype=np.uint8)


@pytest.fixture(params=["rotary", "learned", "sinusoidal"])
def config(request):
    shape = {"d_model": 16, "n_layer": 2, "head_dim": 8, "position": request.param}
    return BERT.build_config(shape, VOCAB, CONTEXT)


def awake(config):
    """A model away from its zero initialisation, which would hide a leak."""
    torch.manual_seed(0)
    model = build(BERT, config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


def shown(config, rows):
    batch = objective_of(BERT, config).corrupt(rows, np.random.default_rng(7))
    tokens, places, targets = np.split(batch, [CONTEXT, CONTEXT + COUNT], axis=1)
    return tokens, places, targets


def test_a_fixed_share_is_masked_and_asked_for(config):
    tokens, places, targets = shown(config, ROWS)
    assert round(0.15 * CONTEXT) == COUNT
    assert ((tokens == VOCAB).sum(axis=1) == COUNT).all()
    np.testing.assert_array_equal(np.take_along_axis(ROWS[:, :-1], places, axis=1), targets)
    seen = tokens != VOCAB
    np.testing.assert_array_equal(tokens[seen], ROWS[:, :-1][seen])
    assert (np.diff(places, axis=1) > 0).all()


def test_no_prediction_depends_on_a_masked_token(config):
    _, places, targets = shown(config, ROWS)
    other = ROWS.copy()
    np.put_along_axis(other, places, (targets + 11) % VOCAB, axis=1)
    one, two = shown(config, ROWS), shown(config, other)
    assert not np.array_equal(one[2], two[2])
    model = awake(config)
    before, after = (model(torch.from_numpy(t).int(), torch.from_numpy(p)) for t, p, _ in (one, two))
    assert torch.equal(before, after)


def test_a_prediction_sees_both_sides(config):
    tokens, _, _ = (torch.from_numpy(part) for part in shown(config, ROWS))
    model, places = awake(config), torch.full((5, 1), 20)
    for place in (3, 37):
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 1) % VOCAB
        assert not torch.equal(model(tokens, places), model(changed, places))


def answers_in(rows, *counts):
    mask = np.zeros(rows.shape, dtype=bool)
    for row, count in zip(mask, counts, strict=True):
        row[3 : 3 + 2 * count : 2] = True
    return mask


def test_answers_are_hidden_and_asked_for_in_order(config):
    rows = ROWS[:2, :CONTEXT]
    filling = objective_of(BERT, config).filling
    batch, counted = filling.ask(rows, answers_in(rows, 4, 2))
    tokens, places, targets = np.split(batch, [CONTEXT, CONTEXT + 4], axis=1)
    assert counted.tolist() == [[True] * 4, [True, True, False, False]]
    assert places[0].tolist() == [3, 5, 7, 9]
    assert targets[counted].tolist() == [*rows[0, [3, 5, 7, 9]], *rows[1, [3, 5]]]
    assert (tokens[answers_in(rows, 4, 2)] == VOCAB).all()
    assert (tokens[0] == VOCAB).sum() == 4


def test_no_answer_is_seen_when_it_is_asked_for(config):
    rows = ROWS[:1, :CONTEXT]
    answers = answers_in(rows, 4)
    other = np.where(answers, (rows + 11) % VOCAB, rows)
    filling, model = objective_of(BERT, config).filling, awake(config)
    (before, _), (after, _) = (
        filling.predict(model, torch.from_numpy(filling.ask(r, answers)[0]).int()) for r in (rows, other)
    )
    assert torch.equal(before, after)


@pytest.mark.parametrize("places", [1, 7])
def test_flops_follow_the_number_of_answers(config, places):
    with torch.device("meta"):
        model, batch = build(BERT, config), torch.zeros((2, CONTEXT + 2 * places), dtype=torch.int32)
    with FlopCounterMode(display=False) as counter:
        objective_of(BERT, config).losses(model, batch).mean().backward()
    assert counter.get_total_flops() == pytest.approx(
        2 * CONTEXT * BERT.asked.flops(config, places, 1, 1).train, rel=1e-12
    )
