"""Readers of published data formats; each writes a data set in ours (docs/data_format.md)."""
