"""Meters: joules and watts of a named stretch of work, each with its provenance."""
