"""Checks for drift on a farm: a plan with every kind of step that needs no root, and what ``drift`` said of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from octo_ssh.output.drift_json import drift_schema
from tests.integration.farm import Farm

STEPS = """
- name: Settings
  file: ~/settings.conf
  content: "port = ${{ port }}\\n"
  mode: "0640"
- name: Old
  file: ~/old.conf
  absent: true
- name: Deploy
  package: shop
  shared: [var/uploads]
  configure: [etc/app.conf]
- name: Tool
  run: touch ~/tool
  unless: test -e ~/tool
- name: Up
  check: {command: [sh, -c, "! test -e ~/down"], within: 1s}
"""
FILES = {
    "bin/shop": "#!/bin/sh\necho shop\n",
    "etc/app.conf": "target = ${{ target }}\n",
    "lib/a": "one\n",
    "lib/b": "two\n",
    "var/uploads/README": "uploads live here\n",
}
PORT = {"port": "8080"}
_SCHEMA = Draft202012Validator(drift_schema())


@dataclass(frozen=True, slots=True)
class Check:
    """One ``octo-ssh drift --json``."""

    code: int
    document: dict[str, Any] = field(repr=False)
    stderr: str

    @property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.document["counts"]
        return found

    def target(self, name: str = "web-1") -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.document["targets"] if row["target"] == name)
        return found

    def step(self, step: str, name: str = "web-1") -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.target(name)["steps"] if row["step"] == step)
        return found

    def states(self, name: str = "web-1") -> dict[str, str]:
        """By step id."""
        return {row["step"]: row["state"] for row in self.target(name)["steps"]}

    def findings(self, name: str = "web-1") -> list[dict[str, Any]]:
        target = self.target(name)
        return [*target["findings"], *(row for step in target["steps"] for row in step["findings"])]

    def found(self, name: str = "web-1") -> set[tuple[str, str, str]]:
        """Step, kind and subject of every finding."""
        return {(row["step"], row["kind"], row["subject"]) for row in self.findings(name)}

    def finding(self, kind: str, subject: str, name: str = "web-1") -> dict[str, Any]:
        return next(row for row in self.findings(name) if (row["kind"], row["subject"]) == (kind, subject))


def check(farm: Farm, *words: str) -> Check:
    """``drift plan.yaml --json``: a document that its schema describes."""
    told = farm.octo("drift", "plan.yaml", "--json", *words)
    assert told.code in (0, 3, 4), told.stderr
    assert [error.message for error in _SCHEMA.iter_errors(told.document)] == []
    assert told.document["exit_code"] == told.code
    return Check(told.code, json.loads(told.stdout), told.stderr)


def deployed(farm: Farm, steps: str = STEPS, **top: Any) -> Farm:
    """The farm with release 1.0 on it."""
    farm.write_release(FILES)
    (farm.folder / "release/bin/shop").chmod(0o755)
    farm.write_plan(steps, variables=PORT, **top)
    told = farm.apply()
    assert told.code == 0, told.stdout + told.stderr
    return farm
