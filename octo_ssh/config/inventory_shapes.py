"""The keys of an inventory, of its included files and of what dynamic programs print (SPEC section 3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from octo_ssh.config.schema import (
    Flag,
    FormatVersion,
    Items,
    NotBuilt,
    OneOrMany,
    Seconds,
    Shape,
    SourcedNode,
    Str,
    Table,
    Text,
    VariablesNode,
    WholeNumber,
)


class BecomeShape(Shape):
    """How the login of a target becomes another user, with sudo. Whether is said by each step."""

    user: Text = Field("root", description="Who to become.", examples=["root", "app"])
    password: SourcedNode | None = Field(
        None,
        description="The login's sudo password. Default: none is sent, and sudo must not ask for one.",
        examples=[{"secret": {"env": "SUDO_PASSWORD"}}],
    )


class TargetShape(Shape):
    """A target, or a range of them (web-[01:20]); also the form of ``defaults``.

    Text may hold templates, with the names ``name``, ``tags`` and ``environments``.
    """

    host: Text | None = Field(
        None,
        description="Where to connect: a host name or an address. Default: the target's name, through ssh_config.",
        examples=["${{ name }}.example.net", "192.0.2.7", "2001:db8::7"],
    )
    user: Text | None = Field(
        None, description="Who to log in as. Default: ssh_config, then the controller's user.", examples=["deploy"]
    )
    port: WholeNumber | None = Field(
        None, ge=1, le=65535, description="The port of sshd. Default: ssh_config, then 22.", examples=[2222]
    )
    identity: OneOrMany[Text] = Field(
        (),
        description="Files of private keys. Default: the agent, then ssh_config, then the usual files.",
        examples=["~/.ssh/id_ed25519"],
    )
    identity_passphrase: SourcedNode | None = Field(
        None,
        description="The passphrase of ``identity``. Default: none.",
        examples=[{"secret": {"env": "KEY_PASSPHRASE"}}],
    )
    jump: OneOrMany[Text] | None = Field(
        None,
        description="Hosts on the way, in the order in which they are reached: targets by name, or user@host:port."
        " ``[]`` or ``none``: no jump. Default: ssh_config.",
        examples=["bastion", ["deploy@gate.example.net:2222", "bastion"]],
    )
    host_key: Str | None = Field(
        None,
        description="The fingerprint of the one host key that is accepted. It narrows known_hosts further.",
        examples=["SHA256:UlKpVqbC0qJ5Vz3XHkqNQmQnJwS8Vb7oWc0y4m3tq9E"],
    )
    ssh_config: Text | None = Field(
        None, description="The ssh_config to read. ``none``: not any. Default: ~/.ssh/config.", examples=["none"]
    )
    root: Text = Field(
        "~/.octo-ssh",
        description="The folder on the target for journal, lock and store: absolute, or in the login's home.",
        examples=["/var/lib/octo-ssh"],
    )
    become: BecomeShape | None = Field(
        None,
        description="How the login becomes another user, with sudo. Whether it does is said by each step.",
        examples=[{"user": "root", "password": {"secret": {"env": "SUDO_PASSWORD"}}}],
    )
    environments: OneOrMany[Str] = Field(
        (), description="The environments that the target belongs to.", examples=[["staging", "production"]]
    )
    tags: OneOrMany[Str] = Field((), description="What the target is for. Steps name tags.", examples=[["web"]])
    variables: VariablesNode | None = Field(None, description="Variables of this target.", examples=[{"weight": 10}])


class FreezeShape(Shape):
    """A time in which no release goes to the environment."""

    start: Str = Field(alias="from", description="When it begins, ISO 8601.", examples=["2026-12-20T00:00Z"])
    end: Str = Field(alias="to", description="When it ends, ISO 8601.", examples=["2027-01-02T00:00Z"])
    reason: Str = Field("", description="Why.", examples=["holidays"])


class EnvironmentShape(Shape):
    """Where a release goes. Environments stand in promotion order."""

    requires: Annotated[Str | None, NotBuilt()] = Field(
        None, description="An environment in which a release must have succeeded first.", examples=["staging"]
    )
    confirm: Flag = Field(
        False, description="Ask before applying, on a terminal; elsewhere ``--yes`` is needed.", examples=[True]
    )
    guided: Flag = Field(
        False,
        description="Ask what to do about a failed step, on a terminal: retry, ignore, leave the target out, stop.",
        examples=[True],
    )
    variables: VariablesNode | None = Field(
        None, description="Variables of this environment.", examples=[{"log_level": "debug"}]
    )
    freezes: Annotated[Items[FreezeShape], NotBuilt()] = Field(
        (),
        description="Times in which no release goes there.",
        examples=[[{"from": "2026-12-20T00:00Z", "to": "2027-01-02T00:00Z", "reason": "holidays"}]],
    )


class TagShape(Shape):
    """What targets are for."""

    variables: VariablesNode | None = Field(
        None, description="Variables of every target with this tag.", examples=[{"workers": 4}]
    )


class DynamicShape(Shape):
    """A program that prints ``{targets: …}``, YAML or JSON. It runs in the inventory's folder."""

    command: Items[Str] = Field(
        min_length=1,
        description="The program, then one element for each argument.",
        examples=[["./cloud-hosts", "--region", "eu"]],
    )
    timeout: Seconds = Field(
        30.0, description="How long it may take. One that takes longer is an error.", examples=["20s"]
    )


class InventoryShape(Shape):
    """An inventory."""

    version: FormatVersion = Field(description="The form of this file.", examples=[1])
    known_hosts: Str = Field(
        "known_hosts",
        description="The host keys that are trusted, in OpenSSH's format, relative to this file. Keep it in git.",
        examples=["../known_hosts"],
    )
    include: OneOrMany[Str] = Field(
        (),
        description="Files with more targets and tags, relative to this one; they may be globs.",
        examples=[["inventory.d/*.yaml"]],
    )
    dynamic: Items[DynamicShape] = Field(
        (),
        description="Programs that print more targets, as ``{targets: …}`` in YAML or JSON.",
        examples=[[{"command": ["./cloud-hosts", "--region", "eu"], "timeout": "20s"}]],
    )
    defaults: TargetShape | None = Field(
        None,
        description="What targets are that do not say otherwise: any key of a target. ``host``, ``user``, ``port``,"
        " ``identity`` and ``jump`` come after ssh_config.",
        examples=[{"user": "deploy"}],
    )
    environments: Table[EnvironmentShape] = Field(
        {}, description="The environments by name, in promotion order.", examples=[{"staging": {}, "production": {}}]
    )
    variables: VariablesNode | None = Field(
        None, description="Variables of every target.", examples=[{"app_port": 8080}]
    )
    tags: Table[TagShape] = Field(
        {},
        description="Variables of tags. A tag without variables need not stand here.",
        examples=[{"web": {"variables": {"workers": 4}}}],
    )
    targets: Table[TargetShape] = Field(
        {},
        description="The targets by name. A name may be a range: web-[01:20].",
        examples=[{"web-[01:20]": {"host": "${{ name }}.example.net", "tags": ["web"]}}],
    )


class IncludedShape(Shape):
    """A file that an inventory includes."""

    version: FormatVersion | None = Field(None, description="The form of this file.", examples=[1])
    tags: Table[TagShape] = Field(
        {}, description="Variables of tags.", examples=[{"web": {"variables": {"workers": 4}}}]
    )
    targets: Table[TargetShape] = Field(
        {}, description="The targets by name.", examples=[{"web-21": {"tags": ["web"]}}]
    )


class DynamicOutputShape(Shape):
    """What a dynamic program prints: data without templates, includes, secrets or ``dynamic``."""

    version: FormatVersion | None = Field(None, description="The form of this document.", examples=[1])
    targets: Table[TargetShape] = Field(description="The targets by name.", examples=[{"web-21": {"tags": ["web"]}}])
