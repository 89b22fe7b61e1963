"""The keys of a plan's steps (SPEC section 4): those of any step, and those of each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from octo_ssh.config.plan_part_shapes import (
    BecomeNode,
    ConfigureNode,
    ContentNode,
    EnvNode,
    Mode,
    ProbeShape,
    RestartNode,
    RetryShape,
    RollingShape,
    WhenText,
)
from octo_ssh.config.plan_shapes import StepsNode, Word
from octo_ssh.config.schema import (
    Bytes,
    Flag,
    Items,
    OneOrMany,
    Seconds,
    Shape,
    Shell,
    Str,
    Text,
    VariablesNode,
    WholeNumber,
)
from octo_ssh.model.plan import OUTPUT_LIMIT_BYTES


class StepShape(Shape):
    """Keys of every step."""

    name: Str = Field(description="What the step is called. Unique in the plan.", examples=["Deploy shop"])
    id: Str | None = Field(
        None,
        description="What templates and scripts call the step. Default: the name in lower case, with ``_`` between its"
        " words.",
        examples=["deploy_shop"],
    )
    on: OneOrMany[Str] = Field(
        (),
        description="The targets: tags, or any selector; ``controller``: the step runs on the controller. Default: the"
        " targets of the group, or every target of the environment.",
        examples=[["web"], "web & env:staging", "controller"],
    )
    when: WhenText = Field(
        "success",
        description="``success``, ``failure`` or ``always``, of the target so far (on the controller: of the run); or a"
        " template that gives true or false.",
        examples=["always", "${{ environment == 'production' }}"],
    )
    environments: OneOrMany[Str] = Field(
        (), description="The environments that the step is for. Default: all of them.", examples=[["production"]]
    )
    variables: VariablesNode | None = Field(
        None, description="Variables of this step and of the steps inside it.", examples=[{"workers": 2}]
    )
    required: Flag = Field(False, description="``--skip-step`` cannot leave the step out.", examples=[True])


class ApproveShape(StepShape):
    """A step that asks somebody on the controller. Where the answer is no, the run ends there."""

    approve: Text = Field(
        description="What is asked. Without a terminal, ``--approve NAME=NOTE`` answers.",
        examples=["Look at the dashboard of the first twenty minutes"],
    )


class WorkShape(StepShape):
    """Keys of every step but ``approve``."""

    allow_empty: Flag = Field(
        False, description="It is no error when ``on`` selects nobody in this environment.", examples=[True]
    )
    become: BecomeNode | None = Field(
        None,
        description="``true``: run as the user that the target names at ``become``, with sudo; or say who. Default: run"
        " as the login.",
        examples=[True, {"user": "postgres"}],
    )
    env: EnvNode | None = Field(
        None,
        description="More environment variables of the step's scripts. Values may be secrets, and may use outputs.",
        examples=[{"LEVEL": "${{ log_level }}"}],
    )
    secrets: OneOrMany[Str] = Field(
        (), description="The variables with secrets that the step's scripts get.", examples=[["api_token"]]
    )
    cwd: Text | None = Field(
        None,
        description="Where the step's scripts run. Default: in the new release's folder where there is one package for"
        " the target, else in the run's work folder; on the controller, in the plan's folder.",
        examples=["/srv/shop"],
    )
    on_failure: Annotated[Literal["fail", "ignore"], Word] = Field(
        "fail",
        description="What a failure does: ``fail``, the target leaves the run; ``ignore``, it is told and counts"
        " nowhere. Of a group: for the steps inside.",
        examples=["ignore"],
    )
    max_parallel: WholeNumber | None = Field(
        None, ge=1, description="How many targets at once. Default: as the plan says.", examples=[5]
    )


class GroupShape(WorkShape):
    """A step that holds steps. ``env``, ``secrets``, ``cwd``, ``environments`` and ``on_failure`` hold for them too."""

    steps: StepsNode = Field(
        description="The steps inside, in order.", examples=[[{"name": "Drain", "run": "touch /srv/shop/maintenance"}]]
    )
    rolling: RollingShape | None = Field(
        None,
        description="All steps inside are done on one target before the window moves on to the next. Default: each step"
        " on all targets.",
        examples=[{"window": "25%", "canary": 1}],
    )


class ActingShape(WorkShape):
    """Keys of every step that does something itself, but ``approve``."""

    once: Flag = Field(False, description="The step runs on one of its targets only.", examples=[True])
    timeout: Seconds = Field(1800.0, description="How long it may take on a target.", examples=["10m"])
    retry: RetryShape | None = Field(
        None, description="How a failure is tried again. Default: not at all.", examples=[{"times": 2, "delay": "10s"}]
    )
    start: Annotated[Literal["with_previous"] | None, Word] = Field(
        None,
        description="``with_previous``: the step does not wait for the step before it. Default: it waits.",
        examples=["with_previous"],
    )


class ScriptedShape(ActingShape):
    """Keys of every step that may run scripts: of run, package, file and check steps."""

    output_limit: Bytes = Field(
        OUTPUT_LIMIT_BYTES,
        description="How much of what a script prints is kept. It goes on beyond that; the rest is counted and dropped"
        " on the target.",
        examples=["1GiB"],
    )


class RunShape(ScriptedShape):
    """A step that runs a script: one of ``run`` and ``script``."""

    one_of = ("run", "script")

    run: Shell | None = Field(
        None,
        description="Shell, never a template: variables are in the environment.",
        examples=['./bin/migrate --to "$OCTO_RELEASE"'],
    )
    script: Str | None = Field(
        None,
        description="A file beside the plan; ``PACKAGE:PATH`` is one in a package.",
        examples=["notify", "shop:bin/x"],
    )
    unless: Shell | None = Field(
        None,
        description="A command that exits 0 where there is nothing to do. It alone decides whether the script runs."
        " Default: the journal decides.",
        examples=["test -e /srv/shop/.prepared"],
    )
    rerun: Annotated[Literal["never", "always"], Word] = Field(
        "never",
        description="``never``: what has run for this release does not run again. ``always``: it does.",
        examples=["always"],
    )
    reboots: Flag = Field(
        False,
        description="The machine restarts in this step. It ends when the target is back from the restart, within"
        " ``timeout``.",
        examples=[True],
    )


class CheckShape(ScriptedShape):
    """A step that waits until something is true."""

    check: ProbeShape = Field(description="What must come true.", examples=[{"command": "systemctl is-active shop"}])


class PackageStepShape(ScriptedShape):
    """A step that switches targets to the release of a package."""

    package: Str = Field(description="The package's name.", examples=["shop"])
    to: Text | None = Field(
        None,
        description="The folder on the target that holds the releases and ``current``. Default:"
        " ``<root>/apps/<project>/<environment or default>/<package>``.",
        examples=["/srv/shop"],
    )
    keep: WholeNumber = Field(
        3, ge=0, le=1000, description="How many releases are kept beside the current one.", examples=[5]
    )
    shared: Items[Str] = Field(
        (),
        description="Paths that all releases share: links into ``<to>/shared``, filled from the first release.",
        examples=[["var/uploads"]],
    )
    configure: ConfigureNode | None = Field(
        None,
        description="Patterns of the package's files in which ``${{ … }}`` is filled in; or a map, to set values in"
        " structured files too.",
        examples=[["config/*.conf"], {"set": {"app.json": {"Logging:Level": "${{ log_level }}"}}}],
    )
    activate: Shell | None = Field(
        None, description="A command after the switch.", examples=["sudo systemctl restart shop"]
    )
    verify: ProbeShape | None = Field(
        None,
        description="What must be true then. Where it is not, the target goes back to its previous release.",
        examples=[{"http": "http://127.0.0.1:8080/healthz", "contains": "ok"}],
    )
    confirm: Seconds | None = Field(
        None,
        description="The target goes back by itself unless the controller connects anew within this time after"
        " ``activate``. Longer than ``within`` of ``verify``. Default: it does not.",
        examples=["60s"],
    )


class FileShape(ScriptedShape):
    """A step that makes a file as it should be: one of ``content``, ``template``, ``source`` and ``absent``."""

    one_of = ("content", "template", "source", "absent")

    file: Text = Field(
        description="The path on the target: absolute, or in the login's home (``~/…``). A symbolic link there is"
        " refused.",
        examples=["/etc/systemd/system/shop.service"],
    )
    content: ContentNode | None = Field(
        None,
        description="What the file holds: text, which may be a template and may use secrets and outputs; or a secret.",
        examples=["port = ${{ app_port }}\n", {"secret": {"env": "TLS_KEY"}}],
    )
    template: Str | None = Field(
        None,
        description="A file beside the plan in which ``${{ … }}`` is filled in; it may use secrets and outputs.",
        examples=["units/shop.service"],
    )
    source: Str | None = Field(
        None, description="A file beside the plan that is copied as it is.", examples=["files/logo.png"]
    )
    absent: Annotated[Flag, WithJsonSchema({"const": True})] = Field(
        False, description="The file should not be there.", examples=[True]
    )
    mode: Mode | None = Field(
        None,
        description="The file's mode in octal digits, quoted. Default: a new file gets 0644, one that holds secrets"
        " 0600; the mode of an existing one is left.",
        examples=["0644"],
    )
    owner: Text | None = Field(
        None,
        description="Whose the file is. Default: the user of the step; an existing one is left.",
        examples=["root"],
    )
    group: Text | None = Field(None, description="The file's group. Default: as for ``owner``.", examples=["www-data"])
    parents: Flag = Field(False, description="Folders above it that are missing are made, with 0755.", examples=[True])
    on_change: Shell | None = Field(
        None, description="A command after the file has changed.", examples=["systemctl daemon-reload"]
    )
    diff: Flag = Field(
        True, description="``plan`` shows what changes in the text. Secrets are never shown.", examples=[False]
    )


class ServiceShape(ActingShape):
    """A step that brings a systemd unit to its state."""

    service: Text = Field(description="The unit; ``.service`` may be left away.", examples=["shop"])
    state: Annotated[Literal["running", "stopped"] | None, Word] = Field(
        None, description="Whether it runs: ``running`` or ``stopped``. Default: left as it is.", examples=["running"]
    )
    enabled: Flag | None = Field(
        None, description="Whether it starts with the machine. Default: left as it is.", examples=[True]
    )
    restart: RestartNode | None = Field(
        None,
        description="``always``: it restarts once for each release (in a runbook, always); ``{on_change: […]}``: where"
        " one of those steps has changed the target; ``never``. Default: never.",
        examples=[{"on_change": ["Unit file"]}, "always"],
    )


AnyStepShape = GroupShape | RunShape | CheckShape | PackageStepShape | FileShape | ServiceShape | ApproveShape
