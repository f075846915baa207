import numpy as np

from scaling.abilities import MixedStream, make_task
from scaling.data import WindowStream

CONTEXT, BATCH = 64, 8


def stream(share=0.25, seed=3):
    text = np.arange(20_000, dtype=np.int64).astype(np.uint8) % 26 + 200  # no probe writes such bytes
    corpus = WindowStream(text, CONTEXT, 1, seed)
    return MixedStream(corpus, [make_task("copy-4"), make_task("addition-2")], share, CONTEXT, BATCH, seed)


def test_the_share_is_exact_and_probes_take_turns():
    mixed = stream()
    windows = np.concatenate([mixed.batch(step) for step in range(50)])
    probe = windows.max(axis=1) < 128
    assert probe.sum() == 0.25 * len(windows)
    tags = windows[probe][:, 0]
    assert (tags == 2).sum() == (tags == 0x0B).sum()


def test_text_counts_whole_and_probes_by_their_answers():
    mixed = stream()
    for step in range(5):
        windows, mask = mixed.batch(step), mixed.loss_mask(step)
        assert mask.shape == (BATCH, CONTEXT)
        text = windows.max(axis=1) >= 128
        assert mask[text].all()
        assert (mask[~text].mean(axis=1) < 0.5).all()
        assert (mask[~text].sum(axis=1) > 0).all()


def test_a_step_is_the_same_whenever_it_is_asked_for():
    first, again = stream(), stream()
    last = [first.batch(step) for step in range(12)][-1]
    assert (again.batch(11) == last).all()
    assert (stream(seed=4).batch(11) != last).any()


def test_text_goes_on_where_it_stopped_and_tokens_are_counted():
    mixed, pure = stream(share=0.5), stream(share=1.0)
    windows = np.concatenate([mixed.batch(step) for step in range(4)])
    text = windows[windows.max(axis=1) >= 128]
    alone = WindowStream(mixed._corpus._train, CONTEXT, 1, 3)
    assert (text == np.concatenate([alone.batch(i) for i in range(len(text))])).all()
    assert mixed.tokens_unique(32 * CONTEXT) == 32 * CONTEXT
    assert pure.tokens_unique(10_000 * CONTEXT) == 10_000 * CONTEXT
    assert (pure.batch(0).max(axis=1) < 128).all()
