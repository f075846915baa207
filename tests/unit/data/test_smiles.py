"""Molecules from a grammar, and the check of what a string means."""

import pytest

from scaling.data import checker_of, prepare
from scaling.data.molecules import fault
from scaling.data.smiles import SmilesSource
from scaling.spec.schema import DataSpec, SmilesSpec

KNOWN = {  # published strings
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "indole": "c1ccc2c(c1)cc[nH]2",
    "biphenyl": "c1ccccc1-c1ccccc1",
    "pyridinium": "c1cc[nH+]cc1",
    "nitrobenzene": "c1ccccc1[N+](=O)[O-]",
    "azulene": "c1ccc2cccc2cc1",
    "sulfuric acid": "OS(=O)(=O)O",
    "ring %10": "C%10CC%10",
}
WRONG = {
    "": "no atom",
    "C(C": "no end",
    "CC)C": "never began",
    "C1CC": "no end",
    "C=": "no end",
    "C(=O)(C)(C)C": "atom 1, C, has 5 bonds of 4",
    "FC#F": "atom 3, F, has 3 bonds of 1",
    "CFC": "atom 2, F, has 2 bonds of 1",
    "C()C": "stands where",
    "C=(C)C": "stands where",
    "(C)C": "stands where",
    "C11": "bonded already",
    "C12CC12": "bonded already",
    "C=1CC#1": "two kinds of bond",
    "ccc": "outside of a ring",
    "c1cccc1": "no Kekulé",
    "n1cccc1": "no Kekulé",
    "c1ccccc1(C)C": "atom 6, c, is aromatic and has no double bond",
    "[NH5+]": "atom 1",
    "CX": "is nothing at place 2",
    "[C": "is nothing at place 1",
}


@pytest.mark.parametrize("text", KNOWN.values(), ids=KNOWN)
def test_published_molecules_hold(text):
    assert fault(text) is None


@pytest.mark.parametrize(("text", "why"), WRONG.items())
def test_what_is_wrong_is_told(text, why):
    assert why in (fault(text) or "")


def test_every_molecule_of_the_grammar_holds_and_is_drawn_once():
    source = SmilesSource(SmilesSpec(tokens=40_000, longest=30), {})
    drawn = [text.decode() for text in source._molecules()]
    assert [text for text in drawn if fault(text)] == []
    assert len(set(drawn)) == len(drawn) > 1_000
    assert max(map(len, drawn)) <= 30
    for piece in ("c1", "(=O)", "[nH]", "#", "2", "[N+](=O)[O-]"):
        assert any(piece in text for text in drawn)


def test_a_cut_molecule_mostly_does_not_hold():
    drawn = [text.decode() for text in SmilesSource(SmilesSpec(tokens=20_000), {})._molecules()]
    rings = [text for text in drawn if "1" in text]
    cut = [text[: text.rindex("1")] for text in rings]  # before its last ring closes
    assert all(fault(text) for text in cut)


def test_the_corpus_is_text_whose_strings_can_be_checked():
    spec = DataSpec(source="smiles", context=64, validation_tokens=1_024, smiles=SmilesSpec(tokens=60_000))
    identity = prepare(spec).identity
    assert (identity.source, identity.tokenizer, identity.vocab_size) == ("smiles", "ascii", 128)
    checker = checker_of(identity, {"source": "smiles", "smiles": {"tokens": 60_000}})
    assert checker is not None
    assert checker.fault("CC(=O)O") is None
    assert checker_of(identity, {"source": "markov"}) is None
