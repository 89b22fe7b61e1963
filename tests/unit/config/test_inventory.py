"""Inventories that load: what the files say, and what targets are made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from octo_ssh.config.inventory import load_inventory
from octo_ssh.errors import FileErrors, Position
from octo_ssh.model.inventory import Become, Fallback, Hop, Inventory
from octo_ssh.model.values import Binding, CommandSource, EnvSource, FileSource, Scope, Scoped, SecretRef, Template

ROOT = Path(__file__).parents[3]
V = "version: 1\n"

# The example of SPEC section 3, word for word.
SPEC_EXAMPLE = """\
version: 1
known_hosts: known_hosts            # OpenSSH format, beside this file, in git; this is the default
include: [inventory.d/*.yaml]       # more targets; one defined twice is an error that names both places
dynamic:                            # programs that print {targets: …} of this same form, YAML or JSON
  - command: [./cloud-hosts, --region, eu]
    timeout: 20s
defaults: {user: deploy, root: ~/.octo-ssh}     # any key of a target
environments:                       # in promotion order
  staging: {}
  production:
    requires: staging               # a release must first have succeeded there
    confirm: true                   # ask before applying, on a terminal
    guided: true                    # ask on failure
    variables: {log_level: warning}
    freezes:
      - {from: "2026-12-20T00:00Z", to: "2027-01-02T00:00Z", reason: holidays}
variables: {app_port: 8080}
tags:
  web: {variables: {workers: 4}}
targets:
  web-[01:20]:                      # a range: web-01 … web-20
    host: ${{ name }}.example.net   # default: the target's name, resolved through ssh_config
    environments: [staging, production]
    tags: [web]
    jump: bastion                   # a target's name, `user@host:port`, or a list: hop by hop
    identity: ~/.ssh/id_ed25519     # default: agent, then ssh_config, then the usual files
    become: {user: root, password: {secret: {env: SUDO_PASSWORD}}}    # how, not whether: steps say whether
    variables: {weight: 10}
  bastion:
    host: bastion.example.net
    host_key: SHA256:UlKpVqbC0qJ5Vz3XHkqNQmQnJwS8Vb7oWc0y4m3tq9E     # narrows known_hosts further, if wanted
    tags: [jump]
"""
NOT_YET = ("requires:", "freezes:", "- {from:")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> Inventory:
    Path("i.yaml").write_text(V + text)
    return load_inventory("i.yaml")


def make_spec_folder(text: str) -> None:
    Path("inventory.yaml").write_text(text)
    Path("inventory.d").mkdir()
    Path("inventory.d/db.yaml").write_text("targets: {db-1: {tags: [db], environments: [staging]}}\n")
    program = Path("cloud-hosts")
    program.write_text('#!/bin/sh\nprintf \'{"targets": {"cloud-%s": {"host": "192.0.2.1"}}}\' "$2"\n')
    program.chmod(0o755)


def test_the_spec_example_loads_without_what_is_not_built_yet(here: Path) -> None:
    lines = SPEC_EXAMPLE.splitlines(keepends=True)
    make_spec_folder("".join(line for line in lines if not line.strip().startswith(NOT_YET)))
    inventory = load_inventory("inventory.yaml")

    assert list(inventory.targets) == [*(f"web-{n:02d}" for n in range(1, 21)), "bastion", "db-1", "cloud-eu"]
    web = inventory.targets["web-07"]
    assert web.host == "web-07.example.net"
    assert web.user is None
    assert web.jump == (Hop("bastion", is_target=True),)
    assert web.identity == ("~/.ssh/id_ed25519",)
    assert web.root == "~/.octo-ssh"
    assert web.environments == ("staging", "production")
    assert web.become.user == "root"
    assert web.become.password is not None
    assert web.become.password.source == EnvSource("SUDO_PASSWORD")
    assert web.variables["weight"].value == 10
    assert web.fallback == Fallback(user="deploy")
    assert inventory.targets["bastion"].host_key == "SHA256:UlKpVqbC0qJ5Vz3XHkqNQmQnJwS8Vb7oWc0y4m3tq9E"
    assert inventory.targets["cloud-eu"].host == "192.0.2.1"
    assert inventory.known_hosts == "known_hosts"
    assert list(inventory.environments) == ["staging", "production"]
    assert inventory.environments["production"].confirm
    assert inventory.environments["production"].guided
    assert inventory.environments["production"].variables["log_level"].value == "warning"
    assert list(inventory.tags) == ["web", "jump", "db"]
    assert inventory.tags["web"].variables["workers"].value == 4
    assert inventory.variables["app_port"].value == 8080


def test_the_spec_example_is_refused_at_what_is_not_built_yet(here: Path) -> None:
    make_spec_folder(SPEC_EXAMPLE)
    with pytest.raises(FileErrors) as caught:
        load_inventory("inventory.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "inventory.yaml:11:5: 'requires' is not built yet in octo-ssh 0.1: remove it",
        "inventory.yaml:15:5: 'freezes' is not built yet in octo-ssh 0.1: remove it",
    ]


def test_the_example_file_loads() -> None:
    inventory = load_inventory(ROOT / "inventory.example.yaml")
    assert len(inventory.targets) == 24
    assert inventory.targets["db-a"].jump == (
        Hop("gate.example.net", "deploy", 22),
        Hop("bastion", is_target=True),
    )
    assert inventory.targets["staging"].jump == ()
    assert inventory.targets["staging"].ssh_config == "none"


def test_an_environment_may_ask_what_to_do_about_failures(here: Path) -> None:
    environments = load("environments: {a: {guided: true}, b: {}}\ntargets: {x: {}}\n").environments
    assert (environments["a"].guided, environments["b"].guided) == (True, False)


def test_empty_values_are_empty_maps(here: Path) -> None:
    inventory = load("environments:\n  a:\ntags:\ndefaults:\nvariables:\ntargets:\n  x:\n  y:\n")
    assert list(inventory.targets) == ["x", "y"]


def test_a_bare_target_says_nothing_about_its_connection(here: Path) -> None:
    target = load("targets: {x: {}}\n").targets["x"]
    assert (target.host, target.user, target.port, target.jump, target.identity) == (None, None, None, None, ())
    assert target.become == Become()


def test_defaults_give_way_to_the_target_but_connection_keys_wait_behind_ssh_config(here: Path) -> None:
    inventory = load(
        "environments: {e: {}}\n"
        "defaults:\n"
        "  user: u\n  port: 2222\n  host: ${{ name }}.lan\n  identity: keys/a\n"
        "  root: /srv/octo\n  tags: [t]\n  environments: e\n  ssh_config: ssh/config\n"
        "  variables: {a: 1, b: 1}\n  become: {user: app, password: {secret: {env: P}}}\n"
        "targets:\n"
        "  x: {}\n"
        "  y: {user: v, root: ~/o/, tags: [s], variables: {b: 2}, become: {user: db}, ssh_config: none}\n"
    )
    x, y = inventory.targets["x"], inventory.targets["y"]
    assert x.fallback == Fallback(host="x.lan", user="u", port=2222, identity=("keys/a",))
    assert (x.user, x.port, x.host, x.identity) == (None, None, None, ())
    assert (x.root, x.tags, x.environments, x.ssh_config) == ("/srv/octo", ("t",), ("e",), "ssh/config")
    assert {name: bound.value for name, bound in x.variables.items()} == {"a": 1, "b": 1}
    assert x.become.user == "app"
    assert (y.user, y.fallback.user, y.root, y.tags, y.environments) == ("v", "u", "~/o", ("s",), ("e",))
    assert {name: bound.value for name, bound in y.variables.items()} == {"a": 1, "b": 2}
    assert y.ssh_config == "none"
    assert y.become.user == "db"
    assert y.become.password == x.become.password


def test_a_hop_of_the_shared_jump_is_reached_through_those_before_it(here: Path) -> None:
    inventory = load("defaults: {jump: [a, b]}\ntargets: {a: {}, b: {}, c: {}, d: {jump: none}, e: {jump: []}}\n")
    a, b = Hop("a", is_target=True), Hop("b", is_target=True)
    assert {name: target.fallback.jump for name, target in inventory.targets.items()} == {
        "a": None,
        "b": (a,),
        "c": (a, b),
        "d": (a, b),
        "e": (a, b),
    }
    assert inventory.targets["c"].jump is None
    assert inventory.targets["d"].jump == inventory.targets["e"].jump == ()


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("b", Hop("b", is_target=True)),
        ("u@b:2222", Hop("b", "u", 2222, is_target=True)),
        ("u@gate", Hop("gate", "u")),
        ("gate:2222", Hop("gate", None, 2222)),
        ("u@gate.example.net:22", Hop("gate.example.net", "u", 22)),
        ("u@[fe80::1%eth0]:22", Hop("fe80::1%eth0", "u", 22)),
        ("[2001:db8::1]", Hop("2001:db8::1")),
    ],
)
def test_a_jump_is_a_target_or_an_address(text: str, hop: Hop, here: Path) -> None:
    assert load(f"targets: {{a: {{jump: '{text}'}}, b: {{}}}}\n").targets["a"].jump == (hop,)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("[2001:db8::1]", "2001:db8::1"), ("::1", "::1"), ("fe80::1%eth0", "fe80::1%eth0"), ("bücher.example", None)],
)
def test_a_host_is_a_name_or_an_address(host: str, expected: str | None, here: Path) -> None:
    assert load(f"targets: {{a: {{host: '{host}'}}}}\n").targets["a"].host == (expected or host)


def test_templates_of_a_target_know_its_name_tags_and_environments(here: Path) -> None:
    inventory = load(
        "environments: {e: {}}\n"
        "targets:\n"
        "  'web-[a:b]':\n"
        "    tags: [x, y]\n    environments: [e]\n"
        "    host: ${{ name }}.${{ tags[1] }}.${{ environments[0] }}\n"
        "    root: /srv/${{ name }}\n"
    )
    assert [target.host for target in inventory.targets.values()] == ["web-a.y.e", "web-b.y.e"]
    assert inventory.targets["web-b"].root == "/srv/web-b"


def test_relative_paths_are_relative_to_the_file_they_stand_in(here: Path) -> None:
    Path("inv/more").mkdir(parents=True)
    Path("inv/i.yaml").write_text(
        V + "include: more/*.yaml\ndefaults: {identity: keys/shared}\n"
        "variables: {p: {secret: {file: p.txt}}, c: {secret: {command: [pass, x]}}}\ntargets: {a: {identity: keys/a}}\n"
    )
    Path("inv/more/b.yaml").write_text(
        "targets: {b: {identity: [k, /abs, ~/h], become: {password: {secret: {file: s}}}}}\n"
    )
    inventory = load_inventory("inv/i.yaml")
    assert inventory.known_hosts == "inv/known_hosts"
    assert inventory.targets["a"].identity == ("inv/keys/a",)
    b = inventory.targets["b"]
    assert b.identity == ("inv/more/k", "/abs", "~/h")
    assert b.fallback.identity == ("inv/keys/shared",)
    assert b.position == Position("inv/more/b.yaml", 1, 11)
    assert b.become.password is not None
    assert b.become.password.source == FileSource("inv/more/s")
    assert inventory.variables["p"].value.source == FileSource("inv/p.txt")
    assert inventory.variables["c"].value.source == CommandSource(("pass", "x"), "inv")


def test_includes_are_read_once_and_in_order(here: Path) -> None:
    Path("d/sub").mkdir(parents=True)
    Path("d/b.yaml").write_text("targets: {b: {}}\n")
    Path("d/a.yaml").write_text("version: 1\ntargets: {a: {}}\n")
    Path("d/sub/c.yaml").write_text("tags: {t: {variables: {v: 1}}}\n")
    inventory = load("include: [d/b.yaml, d/*.yaml, './*.yaml', 'd/**/*.yaml', d/*.none]\n")
    assert list(inventory.targets) == ["b", "a"]
    assert inventory.tags["t"].variables["v"].value == 1


def test_a_dynamic_program_runs_in_the_inventorys_folder_without_input(here: Path) -> None:
    Path("inv").mkdir()
    program = Path("inv/hosts")
    program.write_text('#!/bin/sh\ncat >&2\necho "targets: {\'$(basename "$PWD")-$1\': {}}"\n')
    program.chmod(0o755)
    Path("inv/i.yaml").write_text(V + "dynamic: [{command: [./hosts, x]}, {command: [./hosts, y], timeout: 1m}]\n")
    assert list(load_inventory("inv/i.yaml").targets) == ["inv-x", "inv-y"]


def test_what_a_dynamic_program_prints_is_never_a_template(here: Path) -> None:
    Path("hosts").write_text(
        json.dumps({"targets": {"a": {"variables": {"x": "${{ 7 * 6 }}", "y": ["${{ name }}"], "z": "🐙"}}}})
    )
    variables = load("dynamic: [{command: [cat, hosts]}]\n").targets["a"].variables
    assert {name: bound.value for name, bound in variables.items()} == {
        "x": "${{ 7 * 6 }}",
        "y": ("${{ name }}",),
        "z": "🐙",
    }


def test_a_dynamic_program_that_hangs_is_ended_with_what_it_started(here: Path) -> None:
    Path("hang").write_text("#!/bin/sh\nmkfifo gone\n(sleep 300; echo late > gone) &\necho $! > pid\nwait\n")
    Path("hang").chmod(0o755)
    with pytest.raises(FileErrors, match="took longer than 2s"):
        load("dynamic: [{command: [./hang], timeout: 2s}]\n")
    pid = int(Path("pid").read_text())
    status = Path(f"/proc/{pid}/stat")
    assert not status.exists() or status.read_text().split()[2] in "ZX"


def test_variables_keep_their_kinds_and_places(here: Path) -> None:
    variables = load(
        "variables:\n"
        "  text: a ${{ b }}\n"
        "  raw: {value: '${{ b }}'}\n"
        "  map: {k: [1, '${{ c }}']}\n"
        "  key: {secret: {env: KEY}}\n"
        "  Project.Color:\n"
        "    scoped:\n"
        "      - {value: red, environment: e}\n"
        "      - {value: {secret: {env: Z}}, target: x, tag: t}\n"
        "      - value: blue\n"
        "  data: {value: 1, unit: s}\n"
        "targets: {x: {}}\n"
    ).variables
    assert variables["text"] == Binding(Template("a ${{ b }}", Position("i.yaml", 3, 9)), Position("i.yaml", 3, 3))
    assert variables["raw"].value == "${{ b }}"
    assert variables["map"].value == {"k": (1, Template("${{ c }}", Position("i.yaml", 5, 16)))}
    assert variables["key"].value == SecretRef(EnvSource("KEY"), Position("i.yaml", 6, 8))
    scoped = variables["Project.Color"].value
    assert isinstance(scoped, Scoped)
    assert [row.scope for row in scoped.rows] == [Scope(environment="e"), Scope(target="x", tag="t"), Scope()]
    assert variables["data"].value == {"value": 1, "unit": "s"}
