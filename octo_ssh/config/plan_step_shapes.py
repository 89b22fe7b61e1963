"""The keys of a plan's steps (SPEC section 4): those of any step, and those of each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from octo_ssh.config.plan_shapes import StepsNode, Word
from octo_ssh.config.plan_words import file_mode, number
from octo_ssh.config.schema import (
    DURATION_SCHEMA,
    Flag,
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
    VariablesNode,
    WholeNumber,
    leaf,
    see,
)

_WORDS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}
_LIST_SCHEMA = {"type": "array", "items": {"type": "string"}}
_SETTINGS_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "object", "minProperties": 1},
}
BecomeNode = Annotated[Raw, WithJsonSchema({"anyOf": [{"type": "boolean"}, see("BecomeStepShape")]})]
PauseNode = Annotated[Raw, WithJsonSchema({"anyOf": [DURATION_SCHEMA, {"const": "approve"}]})]
CommandNode = Annotated[Raw, WithJsonSchema(_WORDS_SCHEMA)]
ConfigureNode = Annotated[Raw, WithJsonSchema({"anyOf": [_LIST_SCHEMA, see("ConfigureShape")]})]
SettingsNode = Annotated[Raw, WithJsonSchema(_SETTINGS_SCHEMA)]
RestartNode = Annotated[Raw, WithJsonSchema({"anyOf": [{"enum": ["never", "always"]}, see("RestartShape")]})]
ContentNode = Annotated[Raw, WithJsonSchema({"anyOf": [{"type": "string"}, see("sourced_text")]})]
EnvNode = Annotated[Raw, WithJsonSchema({"type": "object", "propertyNames": see("environment_name")})]
Mode = Annotated[
    int, PlainValidator(leaf(file_mode)), WithJsonSchema({"type": "string", "pattern": "^0?[01]?[0-7]{3}$"})
]
Number = Annotated[float, BeforeValidator(leaf(number))]


class BecomeStepShape(Shape):
    """``become`` of a step, as a map."""

    user: Str = Field(description="Who to become, whatever the target says.", examples=["postgres"])


class RetryShape(Shape):
    """How a failed step is tried again."""

    times: WholeNumber = Field(ge=0, le=100, description="How often, after the first time.", examples=[2])
    delay: Seconds = Field(5.0, description="How long to wait before the second try.", examples=["10s"])
    backoff: Number = Field(
        1.0, ge=1, le=100, description="By what the delay is multiplied for each further try.", examples=[2]
    )
    max_delay: Seconds = Field(3600.0, description="The longest that the delay grows.", examples=["5m"])


class RollingShape(Shape):
    """A window that slides over a group's targets. Percentages are of the group's targets."""

    window: TargetBudget | None = Field(
        None, description="How many targets at once; a share is rounded up. Default: 1.", examples=["25%"]
    )
    canary: TargetBudget | None = Field(
        None, description="How many targets go first. If one of them fails, the run halts. Default: none.", examples=[1]
    )
    max_failures: TargetBudget | None = Field(
        None, description="How many targets may fail before the group halts. Default: 0.", examples=[1]
    )
    pause: PauseNode | None = Field(
        None,
        description="How long to wait after the canary, and before the next target takes a place in the window; or"
        " ``approve``: ask somebody after the canary. Default: not at all.",
        examples=["30s", "approve"],
    )


class ProbeShape(Shape):
    """Something that must come true on the target: one of ``http`` and ``command``."""

    http: Text | None = Field(
        None,
        description="A URL that must answer 2xx. It is asked on the target, by curl or wget.",
        examples=["http://127.0.0.1:${{ app_port }}/healthz"],
    )
    contains: Text | None = Field(None, description="What the answer to ``http`` must hold.", examples=["ok"])
    command: CommandNode | None = Field(
        None,
        description="A command that must exit 0: shell, which is never a template, or a list with an element for each"
        " argument, which may be templates.",
        examples=[["curl", "-fsS", "localhost:${{ app_port }}"], "systemctl is-active shop"],
    )
    within: Seconds = Field(30.0, description="How long it may take to come true.", examples=["1m"])
    every: Seconds = Field(2.0, description="How long to wait before it is asked again.", examples=["5s"])


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
    when: Text = Field(
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


class RunShape(ActingShape):
    """A step that runs a script: one of ``run`` and ``script``."""

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


class CheckShape(ActingShape):
    """A step that waits until something is true."""

    check: ProbeShape = Field(description="What must come true.", examples=[{"command": "systemctl is-active shop"}])


class ConfigureShape(Shape):
    """Which files of a package are configured, and how."""

    files: Items[Str] = Field(
        (),
        description="Patterns of files in which ``${{ … }}`` is filled in. One that matches no file is an error.",
        examples=[["config/*.conf"]],
    )
    set: SettingsNode | None = Field(
        None,
        description="By pattern of JSON, YAML or .properties files: the values to set. A key is the path to its value,"
        " names with ``:`` between them. A key that is not in the file is an error.",
        examples=[{"config/app.json": {"Logging:Level": "${{ log_level }}"}}],
    )


class PackageStepShape(ActingShape):
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
    confirm: Annotated[Seconds | None, NotBuilt()] = Field(
        None,
        description="The target goes back by itself unless the controller comes back in time.",
        examples=["60s"],
    )


class FileShape(ActingShape):
    """A step that makes a file as it should be: one of ``content``, ``template``, ``source`` and ``absent``."""

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
    absent: Flag = Field(False, description="The file should not be there.", examples=[True])
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


class RestartShape(Shape):
    """What makes a service restart."""

    on_change: OneOrMany[Str] = Field(
        min_length=1,
        description="Names or ids of earlier steps: where one of them changes the target, the service restarts.",
        examples=[["Unit file"]],
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
