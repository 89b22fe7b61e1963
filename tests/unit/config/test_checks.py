"""Loading steps of every kind with their inventory: templates where each is rendered, and outputs that can be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.load import Loaded, LoadRequest, load
from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import FileErrors

INVENTORY = """\
version: 1
environments: {staging: {}, production: {}}
variables: {port: 8080, token: {secret: {env: TOKEN}}, folder: /srv/, text: a b}
tags: {web: {variables: {workers: 4}}}
targets:
  web-[01:03]: {environments: [staging, production], tags: [web]}
  db-01: {environments: [staging], tags: [db]}
  old-01: {environments: [production]}
"""
PLAN = "version: 1\nproject: shop\nenvironment: staging\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory.yaml").write_text(INVENTORY)
    Path("plain.conf").write_text("nothing = $PATH ${x} {{ y }}\n")
    Path("app.conf").write_text("port = ${{ port }}\n  token = ${{ token }}\n")
    Path("workers.conf").write_text("a\nworkers = ${{ workers }}\n")


def loaded(steps: str, *, environ: dict[str, str] | None = None, **request: Any) -> Loaded:
    Path("plan.yaml").write_text(f"{PLAN}steps:\n{steps}\n", encoding="utf-8")
    return load(LoadRequest("plan.yaml", **request), secrets=SecretStore({"TOKEN": "hunter22"} | (environ or {})))


def problems(steps: str, **request: Any) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        loaded(steps, **request)
    return [str(problem).removeprefix("plan.yaml:5:") for problem in caught.value.problems]


NO_SECRET = (
    "a secret is used here, where its value would be seen: use it in 'env', 'content', 'template' or in a file that"
    " 'configure' names"
)
NO_OUTPUTS = (
    "outputs of steps cannot be used here, because they are not known before a run: use them in 'env', 'cwd', 'when',"
    " 'content', 'template', 'http' or a 'command' list"
)
ON_CONTROLLER = "the variable 'workers' has no value here: none of its scopes matches"


@pytest.mark.parametrize(
    "step",
    [
        "{name: a, file: '/etc/${{ port }}', content: '${{ token }}', owner: '${{ project }}', group: '${{ port }}'}",
        "{name: a, file: /etc/x, template: app.conf}",
        "{name: a, file: /etc/x, template: plain.conf}",
        "{name: a, file: /etc/x, template: workers.conf, on: web}",
        "{name: a, file: /etc/x, content: {value: '${{ nope }}'}}",
        "{name: a, file: /etc/x, content: {secret: {env: TOKEN}}}",
        "{name: a, service: 'shop@${{ port }}', state: running}",
        "{name: a, approve: 'release for ${{ port }}?'}",
        "{name: a, on: controller, run: x, env: {A: '${{ token }}'}, secrets: token}",
        "{name: a, run: x, environments: production, env: {A: '${{ nowhere }}'}}",
        "{name: g, on: web, rolling: {}, steps: [{name: a, run: x, on: controller, env: {A: '${{ workers }}'}}]}",
    ],
)
def test_what_can_be_rendered_where_it_is_used_is_loaded(step: str) -> None:
    assert loaded(f"- {step}").plan.steps


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{name: a, file: '/etc/${{ prt }}', content: x}", "19: undefined name 'prt' (did you mean 'port'?)"),
        (
            "{name: a, file: '/etc/${{ folder }}', content: x}",
            "19: 'file' must be the path of a file: absolute, or in the home (~/…), without '..'; it gives '/etc//srv/",
        ),
        ("{name: a, file: '/etc/${{ token }}', content: x}", f"19: {NO_SECRET}"),
        (
            "{name: a, file: /x, content: x, owner: '${{ text }}'}",
            "42: 'owner' must be the name or the number of a user; it gives 'a b'",
        ),
        ("{name: a, file: /x, content: x, group: '${{ token }}'}", f"42: {NO_SECRET}"),
        ("{name: a, file: /x, content: '${{ nope }}'}", "32: undefined name 'nope'"),
        (
            "{name: a, file: /x, template: workers.conf}",
            "workers.conf:2:11: the variable 'workers' has no value on db-01: none of its scopes matches",
        ),
        (
            "{name: a, service: '${{ text }}', state: running}",
            "22: 'service' must be the name of a systemd unit: shop, shop.service or shop@1.service; it gives 'a b'",
        ),
        ("{name: a, service: '${{ token }}', state: running}", f"22: {NO_SECRET}"),
        ("{name: a, approve: '${{ token }}?'}", f"22: {NO_SECRET}"),
        ("{name: a, approve: '${{ workers }}?'}", f"22: {ON_CONTROLLER}"),
        ("{name: a, on: controller, run: x, env: {A: '${{ workers }}'}}", f"46: {ON_CONTROLLER}"),
        (
            "{name: a, on: controller, run: x, cwd: '${{ target }}'}",
            "42: there is no 'target' here: this value is the same for all targets",
        ),
        ("{name: a, on: controller, run: x, secrets: port}", "46: 'port' is no secret, and scripts have it anyway"),
        (
            "{name: g, on: web, when: '${{ workers > 3 }}', steps: [{name: a, run: x, on: controller}]}",
            f"28: {ON_CONTROLLER}",
        ),
        (
            "{name: a, run: x, environments: [staging, prodction]}",
            "45: unknown environment 'prodction' (did you mean 'production'?)",
        ),
        ("{name: a, run: x, environments: production, on: wep}", "51: on: unknown tag 'wep' (did you mean 'web'?)"),
        (
            "{name: g, environments: production, steps: [{name: a, run: x, on: wep}]}",
            "69: on: unknown tag 'wep' (did you mean 'web'?)",
        ),
    ],
)
def test_what_cannot_be_rendered_is_told_where_it_stands(step: str, message: str) -> None:
    [found] = problems(f"- {step}")
    assert found.startswith(message)


def test_secrets_of_contents_and_controller_steps_must_be_there() -> None:
    missing = "a secret is missing: the environment variable GONE is not set: export it"
    for step in (
        "{name: a, file: /x, content: {secret: {env: GONE}}}",
        "{name: a, run: x, on: controller, env: {A: {secret: {env: GONE}}}}",
    ):
        assert [found.split(": ", 1)[1] for found in problems(f"- {step}")] == [missing]
    Path("inventory.yaml").write_text(INVENTORY.replace("env: TOKEN", "env: GONE"))
    assert problems("- {name: a, file: /x, template: app.conf}") == [f"inventory.yaml:3:41: {missing}"]
    assert loaded("- {name: a, file: /x, template: plain.conf}").plan.steps


def test_a_group_with_become_asks_no_password_for_its_controller_steps() -> None:
    Path("inventory.yaml").write_text(
        "version: 1\nenvironments: {staging: {}}\ntargets:\n"
        "  a: {environments: staging, become: {password: {secret: {env: GONE}}}}\n"
    )
    assert loaded("- {name: g, become: true, steps: [{name: a, run: x, on: controller}]}").plan.steps
    assert problems("- {name: g, become: true, steps: [{name: a, run: x}]}")


SET = "- {{name: d, package: shop, on: web, configure: {{set: {{app.json: {{'A:B': {value}}}}}}}}}"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("'${{ workers }}'", None),
        ("'${{ token }}'", None),
        ("'Bearer ${{ token }}'", None),
        ("{secret: {env: TOKEN}}", None),
        ("[1, '${{ port }}']", None),
        ("'${{ nope }}'", "undefined name 'nope'"),
        ("'${{ steps.d.output.x }}'", NO_OUTPUTS),
        ("[1, '${{ steps.d.output.x }}']", NO_OUTPUTS),
    ],
)
def test_values_that_are_set_in_files_are_rendered_for_each_target(value: str, message: str | None) -> None:
    step = "release: '1'\npackages: {shop: {file: shop.tgz}}\n"
    Path("plan.yaml").write_text(PLAN + step + "steps:\n" + SET.format(value=value) + "\n")
    if message is None:
        assert load(LoadRequest("plan.yaml"), secrets=SecretStore({"TOKEN": "hunter22"})).plan.steps
    else:
        with pytest.raises(FileErrors) as caught:
            load(LoadRequest("plan.yaml"))
        [found] = caught.value.problems
        assert found.message == message


GIVER = "- {name: Give it, run: x%s}\n"


def using(where: str, reader: str = "{name: b, run: x, env: {A: '${{ %s }}'}%s}", more: str = "") -> str:
    return "- " + reader % (where, more) + "\n"


OWN = "steps.give_it.output.x"


@pytest.mark.parametrize(
    "steps",
    [
        GIVER % "" + using(OWN),
        GIVER % ", on: web" + using(OWN, more=", on: web"),
        GIVER % ", once: true" + using(OWN),
        GIVER % ", once: true, on: web" + using(OWN, more=", on: controller"),
        GIVER % ", on: controller" + using(OWN),
        GIVER % ", on: web" + using('steps.give_it.outputs["web-02"].x'),
        GIVER % ", on: web" + using('steps.give_it.outputs["web-02"].x', more=", on: controller"),
        GIVER % ", environments: production" + using(OWN + " | default(1)"),
        GIVER % "" + using(OWN, "{name: b, run: x, when: '${{ %s == 1 }}'%s}"),
        GIVER % "" + using(OWN, "{name: b, run: x, cwd: '/${{ %s }}'%s}"),
        GIVER % "" + using(OWN, "{name: b, file: '/${{ %s }}', content: x%s}"),
        GIVER % "" + using(OWN, "{name: b, file: /x, content: 'a ${{ %s }}'%s}"),
        GIVER % "" + using(OWN, "{name: b, service: '${{ %s }}', state: running%s}"),
        GIVER % "" + using(OWN, "{name: b, check: {http: '${{ %s }}'}%s}"),
        GIVER % "" + using(OWN, "{name: b, check: {command: [x, '${{ %s }}']}%s}"),
        GIVER % ", once: true" + using(OWN, "{name: b, approve: 'really ${{ %s }}?'%s}"),
        GIVER % "" + using(OWN, "{name: g, when: '${{ %s > 1 }}', steps: [{name: b, run: x%s}]}"),
        "- {name: Give it, package: shop}\n" + using(OWN) + "release: '1'\npackages: {shop: {dir: .}}\n",
        "- name: g\n  rolling: {}\n  steps:\n  - {name: Give it, run: x}\n  " + using(OWN),
        "- name: g\n  rolling: {}\n  steps:\n  - {name: Give it, run: x, on: controller}\n  " + using(OWN),
    ],
)
def test_outputs_that_can_be_there_are_loaded(steps: str) -> None:
    assert loaded(steps).plan.steps


BEFORE = "the step 'give_it' does not come before this one: its outputs are not known here, move one of them"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (GIVER % "" + using("steps.give.output.x"), "there is no step with the id 'give' (did you mean 'give_it'?)"),
        (using("steps.zebra.output.x"), "there is no step with the id 'zebra': none stands before this one"),
        (using(OWN) + GIVER % "", BEFORE),
        (using("steps.b.output.x"), BEFORE.replace("give_it", "b")),
        (
            "- {name: Give it, check: {command: x}}\n" + using(OWN),
            "'give_it' is a check, which gives no outputs: only scripts do",
        ),
        (
            "- {name: Give it, steps: [{name: c, run: x}]}\n" + using(OWN),
            "'give_it' is a group, which gives no outputs: only scripts do",
        ),
        (
            GIVER % "" + "- {name: c, run: x, start: with_previous}\n" + using(OWN, more=", start: with_previous"),
            "the step 'give_it' runs at the same time as this one: remove 'start: with_previous'",
        ),
        (
            GIVER % ", on: web" + using(OWN),
            "it is not clear whose output is meant on 'db-01': 'give_it' runs on 'web-01', 'web-02', 'web-03', say"
            ' which, steps.give_it.outputs["web-01"].x',
        ),
        (
            GIVER % "" + using(OWN, more=", on: controller"),
            "it is not clear whose output is meant here on the controller: 'give_it' runs on 'web-01', 'web-02',"
            " 'web-03' and 1 more, say which, steps.give_it.outputs[\"web-01\"].x",
        ),
        (
            GIVER % ", on: web" + using('steps.give_it.outputs["db-01"].x'),
            "the step 'give_it' does not run on 'db-01': it runs on 'web-01', 'web-02', 'web-03'",
        ),
        (
            GIVER % "" + using('steps.give_it.outputs["web-04"].x'),
            "there is no target 'web-04' (did you mean 'web-03'?)",
        ),
        (
            "- name: g\n  rolling: {}\n  steps:\n  - {name: Give it, run: x}\n  "
            + using('steps.give_it.outputs["web-01"].x'),
            "'give_it' is in the same rolling group: there each target has only its own outputs",
        ),
        (
            "- name: g\n  rolling: {}\n  steps:\n  - {name: Give it, run: x, once: true}\n  " + using(OWN),
            "'give_it' is in the same rolling group: there each target has only its own outputs",
        ),
    ],
)
def test_outputs_that_cannot_be_there_are_refused(steps: str, message: str) -> None:
    [found] = problems(steps)
    assert found.removeprefix("plan.yaml:").split(": ", 1)[1] == message


def test_a_template_file_is_told_of_at_its_own_line() -> None:
    Path("out.conf").write_text("a\nb = ${{ steps.nope.output.x }}\n")
    assert problems("- {name: a, file: /x, template: out.conf}") == [
        "out.conf:2:5: there is no step with the id 'nope': none stands before this one"
    ]


def test_the_name_of_the_controller_is_taken() -> None:
    Path("inventory.yaml").write_text("version: 1\ntargets: {controller: {}}\n")
    assert problems("- {name: a, run: x}")[0].endswith(
        "'controller' is a word of octo-ssh: choose another name for this target"
    )
