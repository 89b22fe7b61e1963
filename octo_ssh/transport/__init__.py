"""Connections to targets: who is asked, how trust is checked, how a program gets there and its reply back."""
