"""Packages: sources, safe archive reading, manifests, what to send."""
