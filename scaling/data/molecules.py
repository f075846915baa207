"""Whether a string is a molecule in SMILES, as far as its graph tells: no chemistry library is asked.

The language is a part of OpenSMILES (opensmiles.org, 2016): the organic subset, bracket atoms with hydrogens and
charge, bonds ``- = # :``, branches, ring closures. No isotopes, chirality or parts joined by dots. A string holds if
brackets and ring closures pair up, no atom has more bonds than its valence, and aromatic atoms lie in rings with double
bonds for all that need one (Kekulé).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ELEMENT = "Cl|Br|[BCNOPSFI]|[bcnops]"
_TOKEN = re.compile(
    rf"(?P<atom>{_ELEMENT})|\[(?P<inside>{_ELEMENT})(?:H(?P<hydrogens>\d?))?(?P<charge>[+-]\d?)?\]"
    r"|(?P<bond>[-=#:])|(?P<open>\()|(?P<close>\))|(?P<ring>\d|%\d\d)"
)
# The highest normal valence of OpenSMILES, but 3 for nitrogen, as toolkits have it; aromatic atoms have the lowest.
_VALENCE = {"B": 3, "C": 4, "N": 3, "O": 2, "P": 5, "S": 6, "F": 1, "Cl": 1, "Br": 1, "I": 1}
_AROMATIC = {"b": 3, "c": 4, "n": 3, "o": 2, "p": 3, "s": 2}
_ORDER = {"-": 1, "=": 2, "#": 3, ":": 1}
_MORE_BY_CHARGE = {"N": 1, "O": 1, "P": 1, "S": 1, "B": -1, "C": 0}  # bonds by positive charge; carbon loses either way


class _Fault(Exception):
    """What is wrong with a string."""


@dataclass(slots=True)
class _Atom:
    symbol: str
    hydrogens: int = 0
    charge: int = 0
    bonds: dict[int, str] = field(default_factory=dict)  # the other atom -> the bond as written, or nothing

    @property
    def aromatic(self) -> bool:
        return self.symbol in _AROMATIC

    @property
    def valence(self) -> int:
        of = _AROMATIC.get(self.symbol) or _VALENCE[self.symbol]
        element = self.symbol.capitalize()
        if element == "C":
            return of - abs(self.charge)
        return of + self.charge * _MORE_BY_CHARGE.get(element, -1)

    @property
    def used(self) -> int:
        return self.hydrogens + sum(_ORDER.get(bond, 1) for bond in self.bonds.values())


def fault(text: str) -> str | None:
    """Return what is wrong with a string, ``None`` for a molecule."""
    try:
        atoms = _parse(text)
        for number, atom in enumerate(atoms):
            if atom.used > atom.valence:
                raise _Fault(f"atom {number + 1}, {atom.symbol}, has {atom.used} bonds of {atom.valence}")
        _check_aromatic(atoms)
    except _Fault as error:
        return str(error)
    return None


def _parse(text: str) -> list[_Atom]:
    """Return the atoms of a string with their bonds."""
    atoms, open_rings = list[_Atom](), dict[str, tuple[int, str]]()
    branches, last, bond = list[int](), -1, ""
    before = ""
    for kind, token, atom in _tokens(text):
        if kind in ("atom", "inside"):
            assert atom is not None
            atoms.append(atom)
            if last >= 0:
                _join(atoms, last, len(atoms) - 1, bond)
            last, bond = len(atoms) - 1, ""
        elif last < 0 or (bond and kind != "ring") or (before == "open" and kind != "bond"):
            raise _Fault(f"{token!r} stands where an atom must")
        elif kind == "bond":
            bond = token
        elif kind == "open":
            branches.append(last)
        elif kind == "close":
            if not branches:
                raise _Fault("a branch ends that never began")
            last = branches.pop()
        elif token in open_rings:
            other, first = open_rings.pop(token)
            if first and bond and first != bond:
                raise _Fault(f"ring {token} has two kinds of bond")
            _join(atoms, other, last, first or bond)
            bond = ""
        else:
            open_rings[token], bond = (last, bond), ""
        before = kind
    if branches or open_rings or bond or not atoms:
        raise _Fault("a branch, ring or bond has no end" if atoms else "no atom")
    return atoms


def _tokens(text: str) -> Iterator[tuple[str, str, _Atom | None]]:
    """Yield kind, text and, of an atom, the atom."""
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _Fault(f"{text[place]!r} is nothing at place {place + 1}")
        kind, token, place = match.lastgroup or "", match.group(), match.end()
        if match["inside"]:
            hydrogens = 0 if match["hydrogens"] is None else int(match["hydrogens"] or 1)
            sign, size = (match["charge"] or "+0")[0], (match["charge"] or "+0")[1:] or "1"
            yield "inside", token, _Atom(match["inside"], hydrogens, int(sign + size))
        else:
            yield kind, token, _Atom(token) if kind == "atom" else None


def _join(atoms: list[_Atom], a: int, b: int, bond: str) -> None:
    if a == b or b in atoms[a].bonds:
        raise _Fault("a ring closes on an atom that is bonded already")
    atoms[a].bonds[b] = atoms[b].bonds[a] = bond


def _check_aromatic(atoms: list[_Atom]) -> None:
    """Refuse aromatic atoms outside of rings, and those for which there are not enough double bonds."""
    near = {
        i: {j for j, bond in atom.bonds.items() if bond in ("", ":") and atoms[j].aromatic}
        for i, atom in enumerate(atoms)
        if atom.aromatic
    }
    ringed = {i: {j for j in others if _reaches(near, i, j)} for i, others in near.items()}
    for i, others in ringed.items():
        if not others:
            raise _Fault(f"atom {i + 1}, {atoms[i].symbol}, is aromatic outside of a ring")
        if atoms[i].symbol == "c" and atoms[i].used > 3 and "=" not in atoms[i].bonds.values():
            raise _Fault(f"atom {i + 1}, c, is aromatic and has no double bond")
    wanting = frozenset(i for i in ringed if atoms[i].used < atoms[i].valence)
    if not _paired(ringed, wanting):
        raise _Fault("an aromatic ring has no Kekulé structure")


def _reaches(near: dict[int, set[int]], start: int, end: int) -> bool:
    """Return whether a way leads from one atom to its neighbour beside their own bond: the bond is in a ring."""
    seen, ahead = {start}, [i for i in near[start] if i != end]
    while ahead:
        i = ahead.pop()
        if i == end:
            return True
        if i not in seen:
            seen.add(i)
            ahead.extend(near[i])
    return False


def _paired(near: dict[int, set[int]], wanting: frozenset[int]) -> bool:
    """Return whether these atoms fall into bonded pairs; the atom with the fewest choices chooses first."""
    if not wanting:
        return True
    chooser = min(wanting, key=lambda i: (len(near[i] & wanting), i))
    return any(_paired(near, wanting - {chooser, other}) for other in sorted(near[chooser] & wanting))
