"""What tuning needs of items: nested amounts, a stream of them alone, and how far an answer is from the right one."""

import numpy as np
import pytest

from scaling.abilities import ItemStream, edit_similarity, make_task, nested_items
from scaling.abilities.items import is_test
from scaling.spec.abilities import TASKS, answer_places, item_tokens


@pytest.mark.parametrize("kind", TASKS)
def test_the_facts_of_a_task_are_those_of_its_items(kind):
    for level in {TASKS[kind].least, min(TASKS[kind].most, 7)}:
        task = make_task(f"{kind}-{level}")
        items = task.draw(np.random.default_rng(0), 3)
        assert items.tokens.shape[1] == task.length == item_tokens(task.name)
        assert tuple(np.flatnonzero(items.answer[0])) == answer_places(task.name)


def test_fewer_items_are_the_first_of_more_and_none_is_a_test_item():
    task = make_task("dictionary-32")
    few, many = nested_items(task, 10, seed=1), nested_items(task, 400, seed=1)
    assert np.array_equal(few.tokens, many.tokens[:10])
    assert not np.array_equal(few.tokens, nested_items(task, 10, seed=2).tokens)
    assert not np.array_equal(few.tokens, nested_items(task, 10, seed=1, purpose=1).tokens)
    assert not is_test(many).any()


def test_a_stream_of_items_passes_over_each_once_before_any_comes_again():
    stream = ItemStream(make_task("dictionary-32"), 14, 128, 2, seed=0)  # seven items of 18 tokens to a window
    windows, mask = stream.batch(0), stream.loss_mask(0)
    assert (windows.shape, mask.shape) == ((2, 129), (2, 128))
    assert mask.sum() == 14 * 8
    rows = windows[:, :126].reshape(14, 18)
    items = nested_items(make_task("dictionary-32"), 14, seed=0).tokens
    assert np.array_equal(np.unique(rows, axis=0), np.unique(items, axis=0))
    assert not np.array_equal(stream.batch(1), windows)  # the same items in another order
    assert np.array_equal(np.unique(stream.batch(1)[:, :126].reshape(14, 18), axis=0), np.unique(rows, axis=0))
    assert np.array_equal(stream.batch(0), windows)
    assert (stream.tokens_unique(100), stream.tokens_unique(10_000)) == (100, 256)


def naive(a, b):
    """The textbook recursion, by a table of lists."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            )  # fmt: skip
    return table[-1][-1]


def test_edit_similarity_is_the_textbooks():
    rng = np.random.default_rng(0)
    written, right = rng.integers(0, 3, (2, 50, 6)).astype(np.uint8)
    expected = [1 - naive(list(a), list(b)) / 6 for a, b in zip(written, right, strict=True)]
    assert edit_similarity(written, right) == pytest.approx(expected)
    assert edit_similarity(right, right).tolist() == [1.0] * 50
