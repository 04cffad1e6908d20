"""Labelled mail -> candidate model, evaluation, promotion."""
