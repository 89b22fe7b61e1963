"""Files to model: YAML with positions, every mistake at once, variables, templates, secrets."""
