"""One file per verb: wires the rest together."""
