"""Loading plan and inventory together: what fits, what does not and where, and what was typed wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.load import Loaded, LoadRequest, load
from octo_ssh.config.secrets import SecretStore
from octo_ssh.config.variables import exported
from octo_ssh.errors import FileErrors, UsageError

INVENTORY = """\
version: 1
environments: {staging: {}, production: {variables: {level: warning}}}
variables: {port: 8080, sudo: {secret: {env: SUDO}}}
tags:
  web: {variables: {workers: 4}}
targets:
  web-[01:03]: {environments: [staging, production], tags: [web], become: {password: {secret: {env: SUDO}}}}
  db-01: {environments: [staging], tags: [db]}
"""
RUNBOOK = """\
version: 1
project: shop
environment: staging
"""
RELEASE = (
    RUNBOOK
    + """\
release: "1.4.2"
packages: {shop: {file: "shop.${{ release }}.tgz"}}
"""
)
DEPLOY = "steps:\n- {name: d, package: shop, on: web}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory.yaml").write_text(INVENTORY)


def loaded(plan: str, *, environ: dict[str, str] | None = None, **request: Any) -> Loaded:
    Path("plan.yaml").write_text(plan, encoding="utf-8")
    return load(LoadRequest("plan.yaml", **request), secrets=SecretStore(environ or {}))


def problems(plan: str, **request: Any) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        loaded(plan, **request)
    return [str(problem) for problem in caught.value.problems]


def test_files_that_fit_are_loaded() -> None:
    found = loaded(RELEASE + DEPLOY)
    assert (found.environment, found.plan.release) == ("staging", "1.4.2")
    assert found.targets == ("web-01", "web-02", "web-03", "db-01")
    assert exported(found.scopes.values(target="web-02")) == {"port": "8080", "workers": "4"}


def test_the_command_line_is_stronger_than_the_plan() -> None:
    found = loaded(RELEASE + DEPLOY, environment="production", release="2.0", variables={"port": 9})
    assert (found.environment, found.plan.release) == ("production", "2.0")
    assert found.targets == ("web-01", "web-02", "web-03")
    assert found.scopes.names(target="web-01")["release"] == "2.0"
    assert exported(found.scopes.values(target="web-01"))["port"] == "9"


def test_another_inventory_may_be_named() -> None:
    Path("other.yaml").write_text("version: 1\ntargets: {one: {}}\n")
    plan = "version: 1\nproject: p\ninventory: nope.yaml\nsteps:\n- {name: a, run: x}\n"
    found = loaded(plan, inventory_path="other.yaml")
    assert (found.environment, found.targets) == (None, ("one",))
    assert problems(plan) == ["plan.yaml:3:12: the file 'nope.yaml' does not exist: check the path"]


def test_an_inventory_that_nobody_named_and_that_is_not_there_is_asked_for() -> None:
    Path("inventory.yaml").unlink()
    asked = "there is no inventory 'inventory.yaml': say where it is with 'inventory' here, or with -i"
    assert problems(RUNBOOK + "steps:\n- {name: a, run: x}\n") == [f"plan.yaml: {asked}"]


CROSS = [
    ("on names no tag", "- {name: a, run: x, on: [db, wep]}", "on: unknown tag 'wep' (did you mean 'web'?)", 30),
    (
        "an undefined name in env",
        "- {name: a, run: x, env: {A: '${{ prot }}'}}",
        "undefined name 'prot' (did you mean 'port'?)",
        30,
    ),
    (
        "a name that only web has",
        "- {name: a, run: x, env: {A: '${{ workers }}'}}",
        "the variable 'workers' has no value on db-01: none of its scopes matches",
        30,
    ),
    ("cwd", "- {name: a, run: x, cwd: '/srv/${{ nope }}'}", "undefined name 'nope'", 26),
    ("when", "- {name: a, run: x, when: '${{ port }}'}", "'when' must give true or false, and gives 8080", 27),
    (
        "http",
        "- {name: a, check: {http: '${{ port }}'}}",
        "'http' must be an http:// or https:// URL; it gives '8080'",
        27,
    ),
    ("command", "- {name: a, check: {command: [x, '${{ nope }}']}}", "undefined name 'nope'", 34),
    (
        "a secret that is none",
        "- {name: a, run: x, secrets: [port]}",
        "'port' is no secret, and scripts have it anyway: remove it here (set by inventory)",
        31,
    ),
    (
        "a secret that is not there",
        "- {name: a, run: x, secrets: [sodu]}",
        "there is no variable 'sodu' (did you mean 'sudo'?)",
        31,
    ),
    (
        "a secret in a command",
        "- {name: a, check: {command: [x, '${{ sudo }}']}}",
        "a secret is used here, where its value would be seen: use it in 'env', 'content', 'template' or in a file that"
        " 'configure' names",
        34,
    ),
    (
        "a secret in when",
        "- {name: a, run: x, when: '${{ sudo == 1 }}'}",
        "a secret is used here, where its value would be seen: use it in 'env', 'content', 'template' or in a file that"
        " 'configure' names",
        27,
    ),
    (
        "a secret inside a list",
        "- {name: a, run: x, env: {A: [{secret: {env: T}}]}}",
        "a secret must be a value of its own, not part of a list or map",
        40,
    ),
    (
        "a secret without a source",
        "- {name: a, run: x, env: {A: {secret: {env: NONE}}}}",
        "a secret is missing: the environment variable NONE is not set: export it",
        39,
    ),
    ("a broken template", "- {name: a, run: x, env: {A: '${{ port'}}", "'${{' is never closed: add '}}'", 30),
]


@pytest.mark.parametrize(
    ("step", "message", "column"), [(row[1], row[2], row[3]) for row in CROSS], ids=[row[0] for row in CROSS]
)
def test_what_does_not_fit_is_told_where_it_stands(step: str, message: str, column: int) -> None:
    assert problems(f"{RUNBOOK}steps:\n{step}\n") == [f"plan.yaml:5:{column}: {message}"]


def test_templates_are_rendered_only_for_the_targets_of_their_step() -> None:
    steps = "steps:\n- name: g\n  on: web\n  steps:\n  - {name: a, run: x, env: {A: '${{ workers }}'}}\n"
    assert loaded(RUNBOOK + steps).plan.steps[0].name == "g"


def test_the_same_mistake_on_many_targets_is_told_once() -> None:
    plan = RUNBOOK + "variables: {x: '${{ nope }}'}\nsteps:\n- {name: a, run: x, env: {A: '${{ x }}', B: '${{ x }}'}}\n"
    assert problems(plan) == ["plan.yaml:4:16: undefined name 'nope'"]


def test_all_mistakes_of_both_files_are_told_at_once() -> None:
    Path("inventory.yaml").write_text(INVENTORY + "  bad: {hots: x}\n")
    assert problems(RUNBOOK + "steps:\n- {name: a, run: x, timout: 3s}\n") == [
        "inventory.yaml:9:9: unknown key 'hots' (did you mean 'host'?)",
        "plan.yaml:5:21: unknown key 'timout' (did you mean 'timeout'?)",
    ]


def test_where_a_package_goes_is_looked_at_after_rendering() -> None:
    plan = RELEASE + "variables: {place: /}\nsteps:\n- {name: d, package: shop, to: '${{ place }}'}\n"
    assert problems(plan) == [
        "plan.yaml:8:32: 'to' must be a folder of its own: absolute, or in the home (~/…), without '..'; it gives '/'"
    ]


def test_where_a_package_comes_from_is_the_same_for_all_targets() -> None:
    plan = RELEASE.replace("${{ release }}", "${{ target }}") + DEPLOY
    assert problems(plan) == ["plan.yaml:5:25: there is no 'target' here: this value is the same for all targets"]


def test_a_rendered_url_must_be_encrypted() -> None:
    plan = RUNBOOK + f"release: '1'\npackages: {{shop: {{url: '${{{{ port }}}}://x', sha256: {'a' * 64}}}}}\n" + DEPLOY
    assert problems(plan) == ["plan.yaml:5:24: 'url' must start with https://, and gives '8080://x'"]


def test_a_password_for_sudo_is_needed_only_where_a_step_becomes() -> None:
    assert loaded(RUNBOOK + "steps:\n- {name: a, run: x}\n").targets
    missing = "a secret is missing: the environment variable SUDO is not set: export it"
    plan = RUNBOOK + "steps:\n- {name: g, become: true, steps: [{name: a, run: x}]}\n"
    assert problems(plan) == [f"inventory.yaml:7:95: {missing}"]
    assert loaded(plan, environ={"SUDO": "hunter22"}).targets
    assert loaded(plan.replace("- {", "- {on: db, "), environ={}).targets


def test_secrets_that_no_step_uses_need_not_be_there() -> None:
    plan = RUNBOOK + "variables: {t: {secret: {file: /nowhere}}}\nsteps:\n- {name: a, run: x%s}\n"
    assert loaded(plan % "").targets
    missing = "a secret is missing: the file '/nowhere' cannot be read: No such file or directory"
    assert problems(plan % ", secrets: [t]") == [f"plan.yaml:4:25: {missing}"]
    assert problems(plan % ", env: {A: 'x${{ t }}'}") == [f"plan.yaml:4:25: {missing}"]
    assert problems(plan % ", env: {A: '${{ t }}'}") == [f"plan.yaml:4:25: {missing}"]


def test_nothing_is_read_of_secrets_while_loading(tmp_path: Path) -> None:
    script = tmp_path / "give"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    plan = RUNBOOK + "variables: {t: {secret: {command: [./give]}}}\nsteps:\n- {name: a, run: x, secrets: [t]}\n"
    found = loaded(plan)
    assert found.secrets.known() == ()
    assert not (tmp_path / "ran").exists()


TYPED = [
    ({"environment": "stagin"}, "there is no environment 'stagin' (did you mean 'staging'?)"),
    ({"environment": "nowhere"}, "there is no environment 'nowhere': known are 'staging', 'production'"),
    ({"release": "../x"}, "--release must be letters, digits, '.', '-', '_', '+' and '~', a letter or digit first"),
    ({"release": ""}, "--release must be letters, digits"),
    ({"inventory_path": "nope.yaml"}, "there is no inventory 'nope.yaml'"),
    ({"variables": {"release": 1}}, "--var: 'release' means something else in templates: choose another name"),
]


@pytest.mark.parametrize(("request_", "message"), TYPED)
def test_what_was_typed_wrongly_is_bad_usage(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(RELEASE + DEPLOY, **request_)
    assert str(caught.value).startswith(message)


def test_a_plan_that_is_not_there_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="there is no plan 'nope'"):
        load(LoadRequest("nope"))


def test_an_environment_must_be_said_where_there_are_any() -> None:
    with pytest.raises(UsageError, match="this plan does not say which environment\n  add -e staging or -e production"):
        loaded(RELEASE.replace("environment: staging\n", "") + DEPLOY)


def test_an_environment_is_bad_usage_where_there_are_none() -> None:
    Path("inventory.yaml").write_text("version: 1\ntargets: {a: {}}\n")
    with pytest.raises(UsageError, match="there is no environment 'x': the inventory has none"):
        loaded(RELEASE + DEPLOY, environment="x")


def test_an_unknown_environment_of_the_plan_is_a_mistake_in_it() -> None:
    plan = RELEASE.replace("staging", "stagin") + DEPLOY
    assert problems(plan) == ["plan.yaml:3:14: there is no environment 'stagin' (did you mean 'staging'?)"]
    assert loaded(plan, environment="staging").environment == "staging"


def test_a_release_must_be_said_where_there_are_packages() -> None:
    plan = RELEASE.replace('release: "1.4.2"\n', "") + DEPLOY
    with pytest.raises(UsageError, match="this plan does not say which release\n  add --release VERSION"):
        loaded(plan)
    assert loaded(plan, release="7").plan.release == "7"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PATH", "'PATH' means something to the shell or to octo-ssh: choose another name"),
        ("LD_PRELOAD", "'LD_PRELOAD' means something to the shell"),
        ("OCTO_RUN", "'OCTO_RUN' means something to the shell"),
        ("a b", "'a b' cannot be a variable's name"),
        ("", "'' cannot be a variable's name"),
    ],
)
def test_a_typed_variable_takes_no_name_of_the_shell(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(RELEASE + DEPLOY, variables={name: "x"})
    assert str(caught.value).startswith(f"--var {message}")


def test_a_typed_variable_that_looks_like_another_is_a_typo_and_one_of_its_own_is_not() -> None:
    with pytest.raises(UsageError, match=r"--var wrokers: neither plan nor inventory .* .did you mean 'workers'"):
        loaded(RUNBOOK + "steps: [{name: r, run: 'true'}]\n", variables={"wrokers": "5"})
    assert loaded(RUNBOOK + "steps: [{name: r, run: 'true'}]\n", variables={"something_else": "5"})
