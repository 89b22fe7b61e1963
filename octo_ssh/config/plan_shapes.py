"""The keys of a plan (SPEC section 4), but for those of its steps, which are in ``plan_step_shapes``."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from octo_ssh.config import values
from octo_ssh.config.plan_words import day, drift_path, drift_reason
from octo_ssh.config.schema import (
    WORDS,
    FormatVersion,
    Items,
    Raw,
    Shape,
    Str,
    TargetBudget,
    Text,
    VariablesNode,
    WholeNumber,
    leaf,
    see,
)
from octo_ssh.model.plan import Budget

Word = BeforeValidator(leaf(values.plain_text))
_ONE_TEXT = {"type": "string", "minLength": 1, "not": {"pattern": r"\$\{\{"}, WORDS: "text"}
DriftPath = Annotated[str, PlainValidator(leaf(drift_path)), WithJsonSchema(_ONE_TEXT)]
Reason = Annotated[str, PlainValidator(leaf(drift_reason)), WithJsonSchema(_ONE_TEXT)]
Day = Annotated[
    date,
    PlainValidator(leaf(day)),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", WORDS: "date"}),
]


class PackageShape(Shape):
    """Where a package comes from: one of ``file``, ``dir`` and ``url``."""

    one_of = ("file", "dir", "url")

    file: Text | None = Field(
        None,
        description="An archive: tar.gz, tar.zst, tar.xz, tar or zip, relative to the plan.",
        examples=["dist/shop.${{ release }}.tar.gz"],
    )
    dir: Text | None = Field(None, description="A folder, relative to the plan.", examples=["build/"])
    url: Text | None = Field(
        None,
        description="An archive to fetch over https. It needs ``sha256``.",
        examples=["https://example.net/shop.${{ release }}.tar.gz"],
    )
    sha256: Str | None = Field(
        None,
        description="The sha256 of the archive; for a folder, that of its manifest.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    ignore: Items[Str] = Field(
        (), description="What of a folder is left out, as in .gitignore.", examples=[["*.log", "/tmp/"]]
    )


PackagesNode = Annotated[
    Raw, WithJsonSchema({"type": "object", "minProperties": 1, "additionalProperties": see("PackageShape")})
]
StepsNode = Annotated[
    Raw,
    WithJsonSchema({"type": "array", "minItems": 1, "items": see("step"), WORDS: "list of [steps](#steps)"}),
]


class ExpectedShape(Shape):
    """Something that may differ on targets until a day. ``plan`` and ``apply`` leave it as it is, too."""

    path: DriftPath = Field(
        description="A pattern as in ``configure``, of paths inside a package; or the absolute path of a file step.",
        examples=["var/cache/**", "/etc/shop.conf"],
    )
    reason: Reason = Field(description="Why it may differ. Reports say it.", examples=["the app writes here"])
    until: Day = Field(
        description="The last day on which it is expected, UTC. After that it is drift again.", examples=["2027-03-01"]
    )
    step: Str | None = Field(
        None, description="Only of this step, by name or id. Default: of every one.", examples=["Deploy shop"]
    )


ExpectedNode = Annotated[Raw, WithJsonSchema(see("ExpectedShape"))]


class DriftShape(Shape):
    """What ``octo-ssh drift`` is to know beside the steps."""

    ignore: Items[ExpectedNode] = Field(
        (),
        description="Drift that is expected: said out loud, with a reason and an end.",
        examples=[[{"path": "var/cache/**", "reason": "the app writes here", "until": "2027-03-01"}]],
    )


DriftNode = Annotated[Raw, WithJsonSchema(see("DriftShape"))]


class PlanShape(Shape):
    """A release plan. A plan without packages is a runbook: it needs no release, and its steps are always due."""

    version: FormatVersion = Field(description="The form of this file.", examples=[1])
    project: Str = Field(description="What is deployed.", examples=["shop"])
    release: Str | None = Field(
        None, description="The version, a string. ``--release`` beats it; a runbook needs none.", examples=["1.4.2"]
    )
    inventory: Str = Field(
        "inventory.yaml",
        description="The inventory, relative to the plan. ``-i`` beats it.",
        examples=["../hosts.yaml"],
    )
    environment: Str | None = Field(None, description="The environment where no ``-e`` is given.", examples=["staging"])
    packages: PackagesNode | None = Field(
        None,
        description="The packages by name. Each must be deployed by some step.",
        examples=[{"shop": {"file": "dist/shop.${{ release }}.tar.gz"}}],
    )
    variables: VariablesNode | None = Field(
        None, description="Variables of the plan.", examples=[{"greeting": "hello"}]
    )
    max_parallel: WholeNumber = Field(
        50, ge=1, description="How many targets at once. A step may say less.", examples=[20]
    )
    max_failures: TargetBudget = Field(
        Budget(count=0), description="How many targets may fail before the run halts: 3 or 10%.", examples=["10%"]
    )
    unreachable: Annotated[Literal["fail", "skip"], Word] = Field(
        "fail",
        description="What a target that cannot be reached is: ``fail``, a failure; ``skip``, left out and listed, with"
        " exit code 4.",
        examples=["skip"],
    )
    steps: StepsNode = Field(
        description="What to do, in this order, with a barrier between steps.",
        examples=[[{"name": "Say hello", "run": "echo hello"}]],
    )
    drift: DriftNode | None = Field(
        None,
        description="What the check for drift is to know.",
        examples=[{"ignore": [{"path": "var/cache/**", "reason": "the app writes here", "until": "2027-03-01"}]}],
    )
