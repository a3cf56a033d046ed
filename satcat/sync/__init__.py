"""Mirroring: where a source and a catalogue meet, so that the one is provably all of the other.

`engine.sync` brings a catalogue up to date, `verify.verify` shows that it is.
"""
