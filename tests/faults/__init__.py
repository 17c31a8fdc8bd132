"""Faults, by machine."""
