"""Bad inputs for the whole command line, each with the exit code and the words that its user needs to see.

Only what goes wrong beyond the reading of one file: what a single plan or inventory can hold wrong has its tables in
``tests/unit/config``. In all texts PORT, USER and KEY stand for those of a real sshd.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

INVENTORY = """\
version: 1
defaults: {host: 127.0.0.1, port: PORT, user: USER, identity: KEY, ssh_config: none}
targets:
  web-1: {tags: [web]}
"""
PLAN = """\
version: 1
project: shop
release: "1.0"
packages:
  shop: {dir: release}
steps:
- {name: Deploy, package: shop}
"""
OTHER_KEY = "SHA256:UlKpVqbC0qJ5Vz3XHkqNQmQnJwS8Vb7oWc0y4m3tq9E"


@dataclass(frozen=True)
class Bad:
    """A mistake. Where nothing is said of ``plan.yaml``, ``inventory.yaml``, ``known_hosts`` and ``release/a``, they
    are good.
    """

    title: str
    says: tuple[str, ...]
    code: int = 1
    words: tuple[str, ...] = ()
    """On the command line, after ``apply plan.yaml``."""
    files: Mapping[str, bytes | str | None] = field(default_factory=dict)
    """None: the file is not there."""
    plan_path: str = "plan.yaml"


def typed(title: str, *words: str, says: str) -> Bad:
    return Bad(title, (says,), 2, words)


def inventory(title: str, *says: str, text: str, code: int = 1, **files: bytes | str | None) -> Bad:
    return Bad(title, says, code, files={"inventory.yaml": text, **files})


def target(title: str, *says: str, key: str, code: int = 1, **files: bytes | str | None) -> Bad:
    """The target has one more key."""
    return inventory(title, *says, text=INVENTORY.replace("tags: [web]", key), code=code, **files)


def plan(title: str, *says: str, text: str, **files: bytes | str | None) -> Bad:
    return Bad(title, says, files={"plan.yaml": text, **files})


def runbook(title: str, *says: str, step: str, top: str = "", **files: bytes | str | None) -> Bad:
    """A plan of one step."""
    return plan(title, *says, text=f"version: 1\nproject: shop\nsteps:\n- {{name: Go, {step}}}\n{top}", **files)


def identity(title: str, *says: str, file: bytes | str | None, mode: str = "") -> Bad:
    """The key file is something else; an unusable key makes the target unreachable."""
    name = f"key{mode}"
    return Bad(title, says, 4, files={"inventory.yaml": INVENTORY.replace("KEY", name), name: file})


def known_hosts(title: str, *says: str, file: bytes | str | None, code: int = 1) -> Bad:
    return Bad(title, says, code, files={"known_hosts": file})


SECRET = "variables: {token: {secret: %s}}\n"

TYPED = [
    Bad("no such plan", ("there is no plan 'nope.yaml'", "octo-ssh init"), 2, plan_path="nope.yaml"),
    Bad("a folder for a plan", ("release: this file is a folder",), plan_path="release"),
    typed("no such inventory", "-i", "nope.yaml", says="there is no inventory 'nope.yaml'"),
    typed("a flag that is not there", "--limti", "web-1", says="No such option: --limti"),
    typed("no assignment", "--var", "greeting", says="--var number 1 is no assignment"),
    typed("no name to assign to", "--var", "1x=2", says="--var number 1 is no assignment"),
    typed("no YAML to assign", "--var", "x:=[1,", says="--var x:1:1: a bracket is opened here and never closed"),
    typed("a variable of the shell", "--var", "PATH=/tmp", says="'PATH' means something to the shell"),
    typed("a word of templates", "--var", "release=2", says="'release' means something else in templates"),
    typed("an unknown step", "--skip-step", "Deplo", says="the plan has no step 'Deplo' (did you mean 'Deploy'?)"),
    typed("an unknown target", "--limit", "web-2", says="--limit: unknown target 'web-2' (did you mean 'web-1'?)"),
    typed("an unknown tag", "--exclude", "tag:wep", says="--exclude: unknown tag 'wep' (did you mean 'web'?)"),
    typed("nothing selected", "--limit", "", says="an empty selector selects nobody"),
    typed("half a selector", "--limit", "web-1 &", says="a word is missing in 'web-1 &'"),
    typed("everybody excluded", "--exclude", "web-1", says="--exclude selects no target"),
    typed("no last run", "--limit", "@failed", says="'@failed' needs a last run"),
    typed("no environments", "-e", "prod", says="there is no environment 'prod': the inventory has none"),
    typed("a release with a slash", "--release", "a/b", says="--release must be letters, digits"),
    typed("a release that is empty", "--release", "", says="--release must be letters, digits"),
]

FILES = [
    Bad("no inventory", ("plan.yaml: there is no inventory 'inventory.yaml'",), files={"inventory.yaml": None}),
    inventory(
        "environments, and none is said",
        "does not say which environment",
        "-e a or -e b",
        code=2,
        text=INVENTORY + "environments: {a: {}, b: {}}\n",
    ),
    Bad(
        "no release",
        ("does not say which release", "--release VERSION"),
        2,
        files={"plan.yaml": PLAN.replace('release: "1.0"\n', "")},
    ),
    Bad(
        "both files wrong",
        ("inventory.yaml:2:29: unknown key 'prot'", "plan.yaml:3:10: 'release' must be a string"),
        files={"inventory.yaml": INVENTORY.replace("port:", "prot:"), "plan.yaml": PLAN.replace('"1.0"', "1.0")},
    ),
    inventory("a hundred megabytes", "inventory.yaml: this file is larger than 4 MiB", text="#" * 100_000_000),
    plan(
        "an alias bomb",
        "holds more than 250,000 values (aliases counted)",
        text="a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in itertools.pairwise("abcdefghi")
        ),
    ),
    plan("ten thousand deep", "nested more than 100 deep", text="[" * 10_000),
    plan(
        "a template that grows", "a value grows beyond", text=PLAN + "variables: {big: \"${{ 'x' * 999999999999 }}\"}\n"
    ),
    inventory(
        "an include that is not there",
        "inventory.yaml:5:11: the file 'nope/x.yaml' does not exist",
        text=INVENTORY + "include: [nope/x.yaml]\n",
    ),
    Bad(
        "a target in two files",
        ("more.yaml:2:11: the target 'web-1' is defined twice: also at inventory.yaml:4:3",),
        files={
            "inventory.yaml": INVENTORY + "include: [more.yaml]\n",
            "more.yaml": "version: 1\ntargets: {web-1: {}}\n",
        },
    ),
    inventory(
        "a dynamic program that fails",
        "failed with exit status 3: oops",
        text=INVENTORY + "dynamic: [{command: [sh, -c, 'echo oops >&2; exit 3']}]\n",
    ),
    inventory(
        "a dynamic program that hangs",
        "took longer than 0.2s",
        text=INVENTORY + "dynamic: [{command: [sleep, '60'], timeout: 200ms}]\n",
    ),
    inventory(
        "a dynamic program that names nobody",
        "an empty fleet is refused",
        text=INVENTORY + "dynamic: [{command: [echo, 'targets: {}']}]\n",
    ),
    inventory(
        "a dynamic program that babbles", "output of echo:1:", text=INVENTORY + "dynamic: [{command: [echo, '{[']}]\n"
    ),
    inventory(
        "freezes",
        "inventory.yaml:6:7: 'freezes' is not built yet",
        text=INVENTORY + "environments:\n  p: {freezes: [{from: 2026-01-01, to: 2026-01-02, reason: x}]}\n",
    ),
    target("a jump that nobody knows", "unknown target 'basiton'", key="jump: basiton"),
    target("a host that is an option", "'-oProxyCommand=x' is no host name", key="host: -oProxyCommand=x"),
    runbook(
        "a tag that nobody has",
        "plan.yaml:4:19: on: unknown tag 'wep' (did you mean 'web'?)",
        step="on: [wep], run: ls",
    ),
    runbook("a step for nobody", "'Go' selects no target", step="on: ['!web'], run: ls"),
    runbook("an approval on targets", "an approval has no 'become': remove it", step="approve: Really, become: true"),
    runbook(
        "a name that no variable has",
        "undefined name 'greting' (did you mean 'greeting'?)",
        step="run: ls, env: {A: '${{ greting }}'}",
        top="variables: {greeting: hi}\n",
    ),
    runbook("a template in shell", "use the environment variable", step="run: 'echo ${{ x }}'"),
    runbook("a script that is not there", "the file 'nope' does not exist", step="script: nope"),
    runbook("a script with a NUL", "it holds a NUL byte", step="script: s", s=b"ls\0"),
    runbook("a script from Windows", "Windows line ends", step="script: s", s=b"#!/bin/sh\r\nls\r\n"),
    runbook(
        "a secret from nowhere",
        "the environment variable NOPE is not set",
        step="secrets: [token], run: ls",
        top=SECRET % "{env: NOPE}",
    ),
    runbook(
        "a secret from no file",
        "the file 'nope' cannot be read",
        step="secrets: [token], run: ls",
        top=SECRET % "{file: nope}",
    ),
    runbook(
        "a secret from no program",
        "there is no program 'nope'",
        step="secrets: [token], run: ls",
        top=SECRET % "{command: [nope]}",
    ),
    runbook(
        "a secret in a URL",
        "a secret is used here, where its value would be seen",
        step="check: {http: 'http://x/${{ token }}'}",
        top=SECRET % "{env: HOME}",
    ),
]

CONNECTIONS = [
    known_hosts("no known_hosts", "is unknown: SHA256:", "octo-ssh trust web-1", file=None, code=5),
    known_hosts("an empty known_hosts", "is unknown: SHA256:", "octo-ssh trust web-1", file="", code=5),
    known_hosts("a known_hosts that is no text", "known_hosts: not a known_hosts file", file=b"\0\xff"),
    known_hosts(
        "a damaged key in known_hosts",
        "known_hosts:1:1: the key after 'ssh-ed25519' is damaged",
        file="[127.0.0.1]:PORT ssh-ed25519 AAAAnot!\n",
    ),
    known_hosts(
        "half a line in known_hosts", "known_hosts:1:1: a line is: names, key type, key", file="[127.0.0.1]:PORT\n"
    ),
    inventory("a folder for known_hosts", "release: cannot be read", text=INVENTORY + "known_hosts: release\n"),
    target(
        "another host_key", "but its host_key in the inventory says SHA256:UlKp", key=f"host_key: '{OTHER_KEY}'", code=5
    ),
    target("no fingerprint", "'md5:aa' is no fingerprint", key="host_key: 'md5:aa'"),
    identity("no key", "key is not there", file=None),
    identity("a text for a key", "key is no private key", file="hello\n"),
    identity("an empty key", "key is no private key", file=""),
    identity("a public key", "key is no private key", file="PUBLIC"),
    identity(
        "half a key", "key is no private key", file="-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"
    ),
    identity("a key that others may read", "key-open can be read by others", "chmod 600", file="PRIVATE", mode="-open"),
    identity(
        "a key with a passphrase that nobody knows",
        "key has a passphrase and nobody can be asked",
        "identity_passphrase",
        file="LOCKED",
    ),
    inventory(
        "a key with another passphrase",
        "key has another passphrase than its identity_passphrase",
        code=4,
        text=INVENTORY.replace("KEY", "key, identity_passphrase: {secret: {file: word}}"),
        key="LOCKED",
        word="wrong-one",
    ),
    inventory("a folder for a key", "release is not a key file", text=INVENTORY.replace("KEY", "release"), code=4),
    target("a name that nobody has", "nobody.invalid cannot be resolved", key="host: nobody.invalid", code=4),
    target("a port that nobody listens on", "127.0.0.1:1 refused the connection", key="port: 1", code=4),
    inventory(
        "a bad ssh_config",
        "sc:2: port must be a number",
        code=4,
        text=INVENTORY.replace("config: none", "config: sc"),
        sc="Host *\n  Port abc\n",
    ),
    inventory(
        "no ssh_config",
        "the ssh_config nosc is not there",
        code=4,
        text=INVENTORY.replace("config: none", "config: nosc"),
    ),
]
