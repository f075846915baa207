"""Spans are cut and asked for whole; a target sees all that is shown and the targets before it, and no later one."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.families import get_family
from scaling.families.t5 import spans_of
from scaling.models import build, objective_of
from scaling.models.objective import cross_entropy

T5 = get_family("t5")
CONTEXT, VOCAB = 40, 50
HOW = spans_of(CONTEXT)
ROWS = np.random.default_rng(0).integers(0, VOCAB, (6, CONTEXT + 1), dtype=np.uint8)


def config_of(**keys):
    return T5.build_config({"d_model": 16, "n_layer": 2, "head_dim": 8, **keys}, VOCAB, CONTEXT)


def shown_and_asked(rows=ROWS, seed=7):
    batch = objective_of(T5, config_of()).corrupt(rows, np.random.default_rng(seed))
    return np.split(batch, [HOW.encoded], axis=1)


def restore(shown, asked):
    """Put the spans back where their sentinels stand."""
    spans, at = {}, None
    for token in asked:
        if token >= VOCAB:
            at = spans.setdefault(int(token), [])
        else:
            at.append(int(token))
    return [t for token in shown for t in (spans[int(token)] if token >= VOCAB else [int(token)])]


def test_what_is_shown_and_what_is_asked_make_the_window():
    shown, asked = shown_and_asked()
    assert (HOW.cut, HOW.spans) == (6, 2)
    assert shown.shape[1] + asked.shape[1] == CONTEXT + 2 * HOW.spans + 1
    for row, left, cut in zip(ROWS, shown, asked, strict=True):
        assert restore(left, cut) == row[:-1].tolist()
    assert (asked[:, 0] == VOCAB).all()
    assert (asked[:, -1] == VOCAB + HOW.spans).all()


@pytest.mark.parametrize("context", [2, 3, 8, 128, 1000])
def test_every_window_can_be_cut(context):
    how = spans_of(context)
    config = T5.build_config({"d_model": 16, "n_layer": 1, "head_dim": 8}, VOCAB, context)
    rows = np.zeros((1, context + 1), dtype=np.uint8)
    batch = objective_of(T5, config).corrupt(rows, np.random.default_rng(0))
    assert batch.shape == (1, how.encoded + how.decoded)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = build(T5, config_of())
    for p in made.parameters():  # away from the zero initialisation, which would hide a leak
        torch.nn.init.normal_(p, std=0.3)
    return made


def test_a_target_depends_on_earlier_targets_alone(model):
    shown, asked = (torch.from_numpy(part) for part in shown_and_asked())
    changed = asked.clone()
    changed[:, 4] = (changed[:, 4] + 1) % VOCAB
    before, after = model(shown, asked), model(shown, changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_a_target_sees_all_that_is_shown(model):
    shown, asked = (torch.from_numpy(part) for part in shown_and_asked())
    for place in (0, HOW.encoded - 1):
        changed = shown.clone()
        changed[:, place] = (changed[:, place] + 1) % VOCAB
        assert not torch.equal(model(shown, asked)[:, 0], model(changed, asked)[:, 0])


def test_what_was_cut_is_not_shown():
    """Other text in the spans, the same cut: the encoder reads the same."""
    other = ROWS.copy()
    shown, _ = shown_and_asked()
    left = np.array([[False] * CONTEXT for _ in ROWS])
    for i, row in enumerate(shown):
        kept = 0
        spans = iter(_lengths(i))
        for token in row:
            if token >= VOCAB:
                kept += next(spans)
            else:
                left[i, kept] = True
                kept += 1
    other[:, :-1][~left] = (other[:, :-1][~left] + 13) % VOCAB
    assert not np.array_equal(other, ROWS)
    np.testing.assert_array_equal(shown_and_asked(other)[0], shown)


def _lengths(row):
    asked = shown_and_asked()[1][row]
    at = np.flatnonzero(asked >= VOCAB)
    return (np.diff(at) - 1).tolist()


def test_answers_are_cut_out_and_written():
    rows = ROWS[:2, :CONTEXT]
    answers = np.zeros(rows.shape, dtype=bool)
    answers[:, 5:8] = True
    answers[0, 20:22] = True  # the second row has fewer answers: cut alike, not counted
    batch, counted = objective_of(T5, config_of()).filling.ask(rows, answers)
    width = batch[0, 0]
    shown, asked = batch[:, 1 : 1 + width], batch[:, 1 + width :]
    for row, left, cut in zip(rows, shown, asked, strict=True):
        assert restore(left, cut) == row.tolist()
    assert asked[0, counted[0]].tolist() == [*rows[0, 5:8], *rows[0, 20:22]]
    assert asked[1, counted[1]].tolist() == rows[1, 5:8].tolist()
    assert (asked[counted] < VOCAB).all()


def test_flops_and_losses_of_answers():
    config, rows = config_of(), ROWS[:3, :CONTEXT]
    answers = np.zeros(rows.shape, dtype=bool)
    answers[:, 6:9] = answers[:, 16:19] = True  # two items of three answers each
    filling = objective_of(T5, config).filling
    batch = torch.from_numpy(filling.ask(rows, answers)[0])
    torch.manual_seed(0)
    model = build(T5, config)
    assert filling.losses(model, batch).shape == (3, 6 + 2 + 1)
    _, targets = filling.predict(model, batch)
    assert torch.equal(targets, batch[:, 1 + int(batch[0, 0]) :])
    shown = int(batch[0, 0])
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        read, written = (torch.zeros((3, n), dtype=torch.int32) for n in (shown, batch.shape[1] - 1 - shown))
        cross_entropy(build(T5, config)(read, written), written).mean().backward()
    flops = T5.asked.flops(config, 2, 3, 1)
    assert counter.get_total_flops() / (3 * CONTEXT) == pytest.approx(flops.train_full_attention, rel=1e-12)


def test_no_more_items_than_sentinels():
    assert T5.items_to_a_window(64, 18, 1) == 3
    assert T5.items_to_a_window(128, 8, 1) == spans_of(128).spans
    assert T5.items_to_a_window(64, 18, 4) == 0
