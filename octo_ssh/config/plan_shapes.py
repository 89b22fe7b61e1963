"""The keys of a plan (SPEC section 4): packages, steps of every kind, and what is not built yet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from octo_ssh.config import values
from octo_ssh.config.schema import (
    Flag,
    FormatVersion,
    Items,
    NotBuilt,
    OneOrMany,
    Raw,
    Seconds,
    Shape,
    Shell,
    Str,
    TargetBudget,
    Text,
    WholeNumber,
    leaf,
)
from octo_ssh.model.plan import Budget

Word = BeforeValidator(leaf(values.plain_text))


class PackageShape(Shape):
    """Where a package comes from: one of ``file``, ``dir`` and ``url``."""

    file: Text | None = Field(
        None,
        description="An archive: tar.gz, tar.zst, tar.xz, tar or zip, relative to the plan.",
        examples=["dist/shop.${{ release }}.tar.gz"],
    )
    dir: Text | None = Field(None, description="A folder, relative to the plan.", examples=["build/"])
    url: Text | None = Field(
        None, description="An archive to fetch over https; needs sha256.", examples=["https://example.net/a.tar.gz"]
    )
    sha256: Str | None = Field(None, description="The archive's sha256; for a folder, that of its manifest.")
    ignore: Items[Str] = Field(
        (), description="What of a folder is left out, as in .gitignore.", examples=[["*.log", "/tmp/"]]
    )


class PlanShape(Shape):
    """A release plan."""

    version: FormatVersion = Field(description="The form of this file.")
    project: Str = Field(description="What is deployed.", examples=["shop"])
    release: Str | None = Field(None, description="The version; or say --release.", examples=["1.4.2"])
    inventory: Str = Field("inventory.yaml", description="The inventory, relative to the plan; or say -i.")
    environment: Str | None = Field(None, description="The default for -e.", examples=["staging"])
    packages: Raw | None = Field(None, description="Packages by name. A plan without packages is a runbook.")
    variables: Raw | None = Field(None, description="Variables of the plan.", examples=[{"greeting": "hello"}])
    max_parallel: WholeNumber = Field(50, ge=1, description="How many targets at once.")
    max_failures: TargetBudget = Field(
        Budget(count=0), description="Targets that may fail before the run halts: 3 or 10%."
    )
    unreachable: Annotated[Literal["fail", "skip"], Word] = Field(
        "fail", description="``fail``: counts as failed. ``skip``: left out, listed, exit code 4."
    )
    steps: Raw = Field(description="What to do, in order.")
    drift: Annotated[Raw | None, NotBuilt((None,))] = Field(None, description="Expected drift.")


class BecomeStepShape(Shape):
    """``become`` of a step, as a map."""

    user: Str = Field(description="Who to become, whatever the target says.", examples=["postgres"])


class RetryShape(Shape):
    """How a failed step is tried again."""

    times: WholeNumber = Field(ge=0, le=100, description="How often, after the first time.", examples=[2])
    delay: Seconds = Field(5.0, description="How long to wait before each.", examples=["10s"])


class RollingShape(Shape):
    """A window that slides over a group's targets."""

    window: TargetBudget | None = Field(None, description="How many targets at once. Default: 1.", examples=["25%"])
    canary: TargetBudget | None = Field(None, description="How many go first, alone.", examples=[1])
    max_failures: TargetBudget | None = Field(None, description="Targets that may fail. Default: 0.", examples=[1])
    pause: Raw | None = Field(None, description="How long to wait before a slot's next target.", examples=["30s"])


class ProbeShape(Shape):
    """Something that must come true on the target: ``http`` or ``command``."""

    http: Text | None = Field(
        None, description="A URL that must answer 2xx.", examples=["http://127.0.0.1:${{ app_port }}/healthz"]
    )
    contains: Text | None = Field(None, description="What the answer must hold.", examples=["ok"])
    command: Raw | None = Field(
        None, description="A command that must exit 0: shell, or a list of arguments.", examples=[["curl", "-fsS", "x"]]
    )
    within: Seconds = Field(30.0, description="How long it may take to come true.", examples=["1m"])
    every: Seconds = Field(2.0, description="How often it is asked.", examples=["2s"])


class StepShape(Shape):
    """Keys of every step."""

    name: Str = Field(description="Unique in the plan.", examples=["Deploy shop"])
    id: Str | None = Field(None, description="Default: the name's slug.", examples=["deploy_shop"])
    on: OneOrMany[Str] = Field(
        (), description="Tags, or any selector. Default: the group's targets, or all.", examples=[["web"]]
    )
    allow_empty: Flag = Field(False, description="It is no error when ``on`` selects nobody.")
    when: Text = Field("success", description="success, failure, always, or a template that gives true or false.")
    environments: Annotated[Raw | None, NotBuilt()] = Field(None, description="Only in these environments.")
    become: Raw | None = Field(None, description="``true``, or {user: …}: run as another user, with sudo.")
    variables: Raw | None = Field(None, description="Variables of this step and the steps inside.")
    env: Raw | None = Field(None, description="More environment variables of its scripts.")
    secrets: OneOrMany[Str] = Field((), description="Variables that are secrets and that its scripts get.")
    cwd: Text | None = Field(None, description="Where its scripts run. Default: the new release's folder.")
    on_failure: Annotated[Literal["fail", "ignore"], Word, NotBuilt(("fail",))] = Field("fail", description="")
    required: Annotated[Flag, NotBuilt((False,))] = Field(False, description="It cannot be skipped.")
    start: Annotated[Literal["with_previous"] | None, Word, NotBuilt()] = Field(None, description="")
    max_parallel: WholeNumber | None = Field(None, ge=1, description="How many targets at once.")


class GroupShape(StepShape):
    """A step that holds steps."""

    steps: Raw = Field(description="The steps inside, in order.")
    rolling: RollingShape | None = Field(
        None, description="All steps on one target before the window moves on.", examples=[{"window": "25%"}]
    )


class ActingShape(StepShape):
    """A step that does something itself."""

    once: Flag = Field(False, description="On one of its targets only.")
    timeout: Seconds = Field(1800.0, description="How long it may take on a target.", examples=["10m"])
    retry: RetryShape | None = Field(None, description="How a failure is tried again.")


class RunShape(ActingShape):
    """A step that runs a script."""

    run: Shell | None = Field(None, description="Shell, never a template.", examples=["./bin/migrate"])
    script: Str | None = Field(
        None, description="A file beside the plan; PACKAGE:PATH is one in a package.", examples=["notify", "shop:bin/x"]
    )
    unless: Annotated[Shell | None, NotBuilt()] = Field(None, description="A command that exits 0 where it is done.")
    rerun: Annotated[Literal["always", "never"], Word, NotBuilt(("never",))] = Field("never", description="")


class CheckShape(ActingShape):
    """A step that waits until something is true."""

    check: ProbeShape = Field(description="What must come true.")


class PackageStepShape(ActingShape):
    """A step that switches targets to the release of a package."""

    package: Str = Field(description="The package's name.", examples=["shop"])
    to: Text | None = Field(
        None,
        description="The folder. Default: <root>/apps/<project>/<environment or default>/<package>.",
        examples=["/srv/shop"],
    )
    keep: WholeNumber = Field(3, ge=0, le=1000, description="Releases kept beside the current one.")
    shared: Items[Str] = Field(
        (), description="Paths that all releases share, in <to>/shared.", examples=[["var/uploads"]]
    )
    configure: Items[Str] = Field(
        (), description="Files of the package that are templates.", examples=[["config/*.conf"]]
    )
    activate: Shell | None = Field(
        None, description="A command after the switch.", examples=["sudo systemctl restart shop"]
    )
    verify: ProbeShape | None = Field(None, description="What must be true then; else the target goes back.")
    confirm: Annotated[Seconds | None, NotBuilt()] = Field(None, description="Goes back unless confirmed in time.")
