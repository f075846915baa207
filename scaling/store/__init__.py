"""The waist of the house: a folder of plain files, written by trials, read by the analysis."""

from scaling.store.load import Store, load

__all__ = ["Store", "load"]
