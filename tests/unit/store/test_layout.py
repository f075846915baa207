import pytest
from support.stored import make_end, make_point, make_spec

from scaling.errors import UsageError
from scaling.store.files import BadRecord
from scaling.store.layout import StoreFolder, TrialFolder


def test_records_come_back_as_they_went(store):
    folder = store.trial("t0")
    assert folder.read_spec() == make_spec()
    assert folder.points() == [make_point(tokens=1000, loss=2.4), make_point(tokens=2000, loss=2.3)]
    assert folder.end() == make_end()


def test_the_end_with_most_tokens_counts(store):
    folder = store.trial("t0")
    assert folder.publish_end(make_end(tokens=10_000))
    assert folder.end().tokens == 10_000


def test_attempts_are_numbered_and_never_shared(store):
    folder = store.trial("t1")
    assert folder.attempts() == []
    numbers = [folder.new_attempt().number for _ in range(11)]
    assert numbers == folder.attempts() == list(range(1, 12))
    (folder.path / "a99x").mkdir()
    assert folder.attempts()[-1] == 11


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../t0", "a\0b", "-x", ".hidden", "ä", "x" * 200])
def test_names_that_could_lead_out_are_refused(store, name):
    with pytest.raises(UsageError, match="not the name of a trial"):
        store.trial(name)


def test_a_linked_trial_is_refused(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (store.root / "trials" / "evil").symlink_to(outside)
    with pytest.raises(BadRecord, match="leads out of the store"):
        store.trial("evil")
    (store.trial("t1").path / "points").symlink_to(outside)
    with pytest.raises(BadRecord, match="leads out of the store"):
        store.trial("t1").points()


def test_a_store_reached_through_a_link_is_fine(store, tmp_path):
    (tmp_path / "scratch").symlink_to(store.root)
    assert len(StoreFolder(tmp_path / "scratch").trial("t0").points()) == 2


def test_a_record_in_the_wrong_place_is_refused(store):
    folder = store.trial("t0")
    (folder.path / "points" / "3000.json").write_bytes((folder.path / "points" / "2000.json").read_bytes())
    with pytest.raises(BadRecord, match="made elsewhere"):
        folder.points()


@pytest.mark.parametrize("text", ["{}", '{"trial": 1}', '{"energy_gpu_j": 3}', '{"energy_gpu_j": {"value": null}}'])
def test_a_document_that_is_no_point_is_refused_by_name(store, text):
    path = store.trial("t0").path / "points" / "1000.json"
    path.write_text(text)
    with pytest.raises(BadRecord, match=r"1000\.json"):
        store.trial("t0").points()


def test_missing_and_damaged_specs_are_named(store):
    with pytest.raises(BadRecord, match=r"no spec\.json"):
        TrialFolder(store.root, "t9").read_spec()
    store.trial("t1").spec_path.write_text('{"family": "gpt"}')
    with pytest.raises(BadRecord, match="not a trial spec: model"):
        store.trial("t1").read_spec()


def test_no_store_and_not_a_store_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="no such store"):
        StoreFolder(tmp_path / "none").read_sweep()
    with pytest.raises(UsageError, match="not a store"):
        StoreFolder(tmp_path).read_sweep()
