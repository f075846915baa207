"""Molecules as SMILES strings from a grammar: chains, branches, rings, aromatic rings, charges, all within valence.

An atom or ring is drawn, then what hangs on it, until the molecule has its number of heavy atoms; bonds that are left
go to implicit hydrogens. Each molecule is a document: repeats are dropped, and none of validation is among the training
ones. ``molecules.fault`` shares no code with this grammar.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scaling.data.molecules import fault
from scaling.data.source import Inputs, Progress, Split
from scaling.data.split import DocumentSource
from scaling.spec.schema import SmilesSpec

_ELEMENTS = {"C": (4, 0.68), "N": (3, 0.13), "O": (2, 0.13), "S": (2, 0.06)}  # bonds, weight
_ENDS = {1: ("F", "Cl", "Br", "O", "N", "C", "[N+](=O)[O-]", "[NH3+]", "[O-]"), 2: ("O", "S", "N"), 3: ("N",)}
_ORDERS = {1: ("", 0.82), 2: ("=", 0.14), 3: ("#", 0.04)}  # how a bond is written, weight
_RING, _AROMATIC, _BRANCH, _GO_ON = 0.25, 0.6, 0.3, 0.9  # how likely; aromatic of rings


@dataclass(frozen=True, slots=True)
class SmilesSource:
    """A ``TokenSource`` that draws molecules, and checks those of a model."""

    spec: SmilesSpec
    location: Mapping[str, object]
    name: str = "smiles"

    @property
    def starts(self) -> Sequence[str]:
        """Return nothing that a molecule must begin with."""
        return ("",)

    @property
    def longest(self) -> int:
        """Characters of the longest molecule."""
        return self.spec.longest

    def fault(self, text: str) -> str | None:
        """Return why a string is no molecule, ``None`` for one."""
        return fault(text)

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Draw molecules, and hold a tenth of them out. Raises ``UsageError`` where they are too few."""
        documents = DocumentSource(
            name=self.name,
            location=self.location,
            documents=self._molecules,
            held_out=None,
            tokenizer="bytes",
            vocab_size=None,
            reads=self.inputs,
        )
        return documents.split(context, validation_tokens, progress)

    def _molecules(self) -> Iterator[bytes]:
        """Yield distinct molecules, each and a separator counted, until there are ``tokens`` characters."""
        rng, left, seen, spec = random.Random(self.spec.seed), self.spec.tokens, set[str](), self.spec
        while left > 0:
            text = _Writer(rng, rng.randint(2, spec.atoms)).molecule()
            if len(text) > spec.longest:
                continue
            left -= len(text) + 1  # a repeat counts, though it is dropped: small molecules run out
            if text not in seen:
                seen.add(text)
                yield text.encode()


@dataclass(slots=True)
class _Writer:
    """One molecule: how many heavy atoms are still to come, and which ring numbers are in use."""

    rng: random.Random
    left: int
    rings: set[int] = field(default_factory=set)

    def molecule(self) -> str:
        """Return a molecule."""
        return self._part(0)

    def _part(self, order: int) -> str:
        """Return an atom or ring that hangs on a bond of an order, and all that hangs on it."""
        if order == 1 and self.left <= 1:
            self.left -= 1
            return self.rng.choice(_ENDS[1])
        if order <= 1 and self.left >= 5 and len(self.rings) < 9 and self.rng.random() < _RING:
            return self._ring(order)
        elements = [name for name, (bonds, _) in _ELEMENTS.items() if bonds >= order]
        if self.left <= 1 and order in _ENDS:
            element = self.rng.choice(_ENDS[order])
        else:
            (element,) = self.rng.choices(elements, [_ELEMENTS[name][1] for name in elements])
        self.left -= 1
        return element + self._hung(_ELEMENTS[element][0] - order)

    def _hung(self, free: int, *, goes_on: bool = True) -> str:
        """Return what hangs on an atom with so many bonds left: branches, then the rest of the chain."""
        text = ""
        while free > goes_on and self.left > 1 and self.rng.random() < _BRANCH:
            order = self._order(free - goes_on)
            text += f"({_ORDERS[order][0]}{self._part(order)})"
            free -= order
        if goes_on and free and self.left > 0 and self.rng.random() < _GO_ON:
            order = self._order(free)
            text += _ORDERS[order][0] + self._part(order)
        return text

    def _order(self, most: int) -> int:
        orders = [order for order in _ORDERS if order <= most]
        return self.rng.choices(orders, [_ORDERS[order][1] for order in orders])[0]

    def _ring(self, order: int) -> str:
        """Return a ring, bonded to what is before by its first atom; the chain goes on from its last one."""
        number = min(set(range(1, 10)) - self.rings)
        self.rings.add(number)
        atoms = self._aromatic() if self.left >= 5 and self.rng.random() < _AROMATIC else self._plain()
        self.left -= len(atoms)
        first, *middle, (end, free) = atoms
        text = f"{first[0]}{number}{self._hung(first[1] - order, goes_on=False)}"
        text += "".join(atom + self._hung(bonds, goes_on=False) for atom, bonds in middle)
        self.rings.remove(number)
        return f"{text}{end}{number}{self._hung(free)}"

    def _plain(self) -> list[tuple[str, int]]:
        """Return the atoms of a ring of single bonds, each with the bonds that it has left."""
        size = self.rng.randint(3, min(7, self.left))
        inner = self.rng.choices(("C", "N", "O"), (0.8, 0.12, 0.08), k=size - 1)
        return [(atom, _ELEMENTS[atom][0] - 2) for atom in ("C", *inner)]

    def _aromatic(self) -> list[tuple[str, int]]:
        """Return the atoms of an aromatic ring: of six, or of five with an atom that gives a pair of electrons."""
        size = self.rng.choice((5, 6, 6)) if self.left >= 6 else 5
        atoms = [("c", 1), *((("n", 0) if self.rng.random() < 0.15 else ("c", 1)) for _ in range(size - 1))]
        if size == 5:
            atoms[self.rng.randint(1, 4)] = (self.rng.choice(("o", "s", "[nH]")), 0)
        return atoms
