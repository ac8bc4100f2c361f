"""Periodic finite element spaces on unit cells, behind one small protocol."""
