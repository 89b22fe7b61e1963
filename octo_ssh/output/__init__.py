"""Renders and stores events."""
