"""What stands inside of a plan's steps (SPEC section 4): the values of their keys, and the maps at some of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from octo_ssh.config.plan_words import file_mode, number
from octo_ssh.config.schema import (
    DURATION_SCHEMA,
    WORDS,
    Items,
    OneOrMany,
    Raw,
    Seconds,
    Shape,
    Str,
    TargetBudget,
    Text,
    WholeNumber,
    leaf,
    see,
)

_LIST_SCHEMA = {"type": "array", "items": {"type": "string"}}
_COMMAND_SCHEMA = {
    "anyOf": [{"type": "string", "minLength": 1}, {**_LIST_SCHEMA, "minItems": 1}],
    WORDS: "shell; list of text or templates",
}
_CONFIGURE_SCHEMA = {"anyOf": [{**_LIST_SCHEMA, WORDS: "list of text"}, see("ConfigureShape")]}
_CONTENT_SCHEMA = {
    "anyOf": [{"type": "string"}, see("sourced_text")],
    WORDS: "text or template; [secret](#secret); `{value: …}`",
}
_ENV_SCHEMA = {
    "type": "object",
    "propertyNames": see("environment_name"),
    "additionalProperties": see("value"),
    WORDS: "map of [values](#values)",
}
_MODE_SCHEMA = {"type": "string", "pattern": "^0?[01]?[0-7]{3}$", WORDS: "octal digits"}
_SETTINGS_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "object", "minProperties": 1, "additionalProperties": see("value")},
    WORDS: "map of maps of [values](#values)",
}
_WHEN_SCHEMA = {
    "type": "string",
    "anyOf": [{"enum": ["success", "failure", "always"]}, {"pattern": r"\$\{\{"}],
    WORDS: "`success`, `failure`, `always` or template",
}
BecomeNode = Annotated[Raw, WithJsonSchema({"anyOf": [{"type": "boolean"}, see("BecomeStepShape")]})]
PauseNode = Annotated[Raw, WithJsonSchema({"anyOf": [DURATION_SCHEMA, {"const": "approve"}]})]
CommandNode = Annotated[Raw, WithJsonSchema(_COMMAND_SCHEMA)]
ConfigureNode = Annotated[Raw, WithJsonSchema(_CONFIGURE_SCHEMA)]
SettingsNode = Annotated[Raw, WithJsonSchema(_SETTINGS_SCHEMA)]
RestartNode = Annotated[Raw, WithJsonSchema({"anyOf": [{"enum": ["never", "always"]}, see("RestartShape")]})]
ContentNode = Annotated[Raw, WithJsonSchema(_CONTENT_SCHEMA)]
EnvNode = Annotated[Raw, WithJsonSchema(_ENV_SCHEMA)]
WhenText = Annotated[Text, WithJsonSchema(_WHEN_SCHEMA)]
Mode = Annotated[int, PlainValidator(leaf(file_mode)), WithJsonSchema(_MODE_SCHEMA)]
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

    one_of = ("http", "command")

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


class RestartShape(Shape):
    """What makes a service restart."""

    on_change: OneOrMany[Str] = Field(
        min_length=1,
        description="Names or ids of earlier steps: where one of them changes the target, the service restarts.",
        examples=[["Unit file"]],
    )
