"""Rehearsing for an interview: the questions of the notebooks, asked again when they are about to be forgotten."""
