"""Plans that load: the examples of the specification, and what is made of every key."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from octo_ssh.config.plan import load_plan
from octo_ssh.config.plan_steps import slug
from octo_ssh.errors import FileErrors, Position
from octo_ssh.model.drift import Expected
from octo_ssh.model.plan import (
    ApproveStep,
    BecomeAs,
    Budget,
    CheckStep,
    CommandProbe,
    FileOrigin,
    FileScript,
    FileStep,
    FolderOrigin,
    GroupStep,
    HttpProbe,
    InlineScript,
    PackageScript,
    PackageStep,
    Probe,
    ReleasePlan,
    Restart,
    Retry,
    Rolling,
    RunStep,
    ServiceState,
    ServiceStep,
    Step,
    TemplateContent,
    UrlOrigin,
    When,
)
from octo_ssh.model.values import EnvSource, Scope, Scoped, SecretRef, Template

HEADER = "version: 1\nproject: shop\n"

# The example of SPEC section 4.
SPEC_EXAMPLE = """\
version: 1
project: shop
release: "1.4.2"                    # or --release
inventory: inventory.yaml           # or -i; default: inventory.yaml beside the plan
environment: staging                # default for -e; needed where the inventory has environments
packages:
  shop:
    file: dist/shop.${{ release }}.tar.gz     # or dir: build/   or url: https://…  (a url needs sha256)
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08    # optional for file and dir
variables:
  greeting: hello
  db_host:
    scoped:                         # the most specific scope wins
      - {value: db.staging.internal, environment: staging}
      - {value: db.prod.internal, environment: production}
      - {value: db.special.internal, target: web-03}
  api_token: {secret: {env: SHOP_TOKEN}}
max_parallel: 50                    # targets at once; a step may say less
max_failures: 0                     # targets that may fail before the run halts: 3 or 10%
unreachable: fail                   # or skip: left out, listed, exit 4
steps:
  - name: Unit file
    on: [web]                       # tags; default: every target of the environment
    file: /etc/systemd/system/shop.service
    template: units/shop.service    # or content: or source: or absent: true
    mode: "0644"
    become: true
    on_change: systemctl daemon-reload
  - name: Migrate database
    on: [web]
    once: true                      # on one of them
    run: ./bin/migrate --to "$OCTO_RELEASE"       # in the new release's folder, already complete
    secrets: [api_token]            # a script gets only the secrets it names
    timeout: 10m
  - name: Roll out
    on: [web]
    rolling: {window: 25%, canary: 1, max_failures: 1, pause: 30s}      # pause: approve asks after the canary
    steps:                          # all of them on one target before the window moves on
      - name: Drain
        run: touch /srv/shop/maintenance
      - name: Deploy shop
        package: shop
        to: /srv/shop               # default: <root>/apps/<project>/<environment or default>/<package>
        keep: 3                     # releases kept beside the current one; failed ones do not count
        shared: [var/uploads]       # one copy for all releases: linked to <to>/shared/var/uploads, seeded from the 1st
        configure: ["config/*.conf"]    # files of the package that are templates; no match is an error
        activate: sudo systemctl restart shop
        verify: {http: "http://127.0.0.1:${{ app_port }}/healthz", contains: ok, within: 30s}
        confirm: 60s                # the target goes back by itself if nobody confirms in time (section 8)
      - name: Service
        service: shop
        state: running
        enabled: true
        restart: {on_change: [Unit file]}       # or always, or never (the default)
        become: true
      - name: Undrain
        when: always
        run: rm -f /srv/shop/maintenance
  - name: Sign-off
    approve: Look at the dashboard of the first twenty minutes
  - name: Smoke test
    on: [web]
    check: {command: [curl, -fsS, "localhost:${{ app_port }}/healthz"], within: 1m, every: 2s}
  - name: Tell the team
    on: controller                  # runs here, not on a target
    when: always
    run: ./notify "$OCTO_RUN_OUTCOME"
drift:
  ignore:                           # expected drift: said out loud, with an end
    - {path: var/cache/**, reason: the app writes here, until: "2027-03-01"}
"""

UNIT = "[Service]\nExecStart=/srv/shop/current/bin/shop --port ${{ app_port }}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "units").mkdir()
    (tmp_path / "units/shop.service").write_text(UNIT)
    return tmp_path


def load(text: str) -> ReleasePlan:
    Path("plan.yaml").write_text(text, encoding="utf-8")
    return load_plan("plan.yaml")


def at(line: int, column: int) -> Position:
    return Position("plan.yaml", line, column)


def without(text: str, start: str, end: str) -> str:
    before, _, rest = text.partition(start)
    return before + (rest[rest.index(end) :] if end else "")


@pytest.mark.usefixtures("here")
def test_the_example_is_read() -> None:
    plan = load(SPEC_EXAMPLE)
    assert (plan.project, plan.release, plan.environment, plan.inventory_path) == (
        "shop",
        "1.4.2",
        "staging",
        "inventory.yaml",
    )
    assert (plan.max_parallel, plan.max_failures, plan.skip_unreachable) == (50, Budget(count=0), False)
    shop = plan.packages["shop"]
    assert shop.origin == FileOrigin(Template("dist/shop.${{ release }}.tar.gz", at(8, 11)), "")
    assert shop.sha256 == "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    assert plan.variables["api_token"].value == SecretRef(EnvSource("SHOP_TOKEN"), at(17, 23))
    db_host = plan.variables["db_host"].value
    assert isinstance(db_host, Scoped)
    assert [row.scope for row in db_host.rows] == [
        Scope(environment="staging"),
        Scope(environment="production"),
        Scope(target="web-03"),
    ]
    assert [(step.name, step.id) for step in plan.walk()] == [
        ("Unit file", "unit_file"),
        ("Migrate database", "migrate_database"),
        ("Roll out", "roll_out"),
        ("Drain", "drain"),
        ("Deploy shop", "deploy_shop"),
        ("Service", "service"),
        ("Undrain", "undrain"),
        ("Sign-off", "sign_off"),
        ("Smoke test", "smoke_test"),
        ("Tell the team", "tell_the_team"),
    ]


@pytest.mark.usefixtures("here")
def test_the_steps_of_the_example_are_what_they_say() -> None:
    unit, migrate, roll, drain, deploy, service, undrain, sign_off, smoke, tell = load(SPEC_EXAMPLE).walk()
    assert unit == Step(
        "Unit file",
        "unit_file",
        FileStep(
            "/etc/systemd/system/shop.service",
            TemplateContent("units/shop.service", UNIT.encode()),
            mode=0o644,
            on_change="systemctl daemon-reload",
        ),
        at(22, 5),
        on=("web",),
        become=BecomeAs(),
    )
    assert migrate == Step(
        "Migrate database",
        "migrate_database",
        RunStep(InlineScript('./bin/migrate --to "$OCTO_RELEASE"')),
        at(29, 5),
        on=("web",),
        once=True,
        secrets=("api_token",),
        timeout_s=600.0,
    )
    assert isinstance(roll.kind, GroupStep)
    assert roll.kind.rolling == Rolling(Budget(percent=25.0), Budget(count=1), Budget(count=1), 30.0)
    assert roll.kind.steps == (drain, deploy, service, undrain)
    assert deploy.kind == PackageStep(
        package="shop",
        to="/srv/shop",
        keep=3,
        shared=("var/uploads",),
        configure=("config/*.conf",),
        activate="sudo systemctl restart shop",
        verify=Probe(HttpProbe(Template("http://127.0.0.1:${{ app_port }}/healthz", at(48, 24)), "ok"), 30.0, 2.0),
        confirm_s=60.0,
    )
    assert service.kind == ServiceStep(
        "shop", ServiceState.RUNNING, enabled=True, restart=Restart.ON_CHANGE, on_change=("unit_file",)
    )
    assert undrain.when is When.ALWAYS
    assert sign_off.kind == ApproveStep("Look at the dashboard of the first twenty minutes")
    assert (sign_off.on_controller, sign_off.on) == (True, ())
    assert smoke.kind == CheckStep(
        Probe(CommandProbe(("curl", "-fsS", Template("localhost:${{ app_port }}/healthz", at(63, 35)))), 60.0, 2.0)
    )
    assert (tell.on_controller, tell.on, tell.when) == (True, (), When.ALWAYS)


@pytest.mark.usefixtures("here")
def test_a_runbook_needs_neither_packages_nor_a_release() -> None:
    plan = load(HEADER + "steps:\n- {name: a, run: uptime}\n")
    assert (plan.packages, plan.release, plan.environment) == ({}, None, None)
    step = plan.steps[0]
    assert (step.timeout_s, step.retry, step.when, step.on) == (1800.0, Retry(0, 5.0), When.SUCCESS, ())


@pytest.mark.usefixtures("here")
def test_every_kind_of_origin_is_read_relative_to_the_plan() -> None:
    Path("deploy").mkdir()
    digest = "AB" * 32
    Path("deploy/plan.yaml").write_text(
        HEADER
        + "release: v1.0-rc.1+x\ninventory: ../i.yaml\npackages:\n"
        + "  a: {file: ../a.zip}\n  b: {dir: build/, ignore: ['*.log', /tmp]}\n"
        + f"  c: {{url: 'https://example.net/${{{{ release }}}}.tgz', sha256: {digest}}}\n"
        + "steps:\n- {name: a, package: a}\n- {name: b, package: b}\n- {name: c, package: c}\n"
    )
    plan = load_plan("deploy/plan.yaml")
    assert plan.inventory_path == "deploy/../i.yaml"
    assert plan.packages["a"].origin == FileOrigin("../a.zip", "deploy")
    assert plan.packages["b"].origin == FolderOrigin("build/", "deploy", ("*.log", "/tmp"))
    assert isinstance(plan.packages["c"].origin, UrlOrigin)
    assert plan.packages["c"].sha256 == digest.lower()


@pytest.mark.usefixtures("here")
def test_scripts_come_from_the_plan_a_file_or_a_package() -> None:
    Path("tell").write_text("#!/usr/bin/env python3\nprint('${{ not_a_template }}')\n")
    plan = load(
        HEADER
        + "release: '1'\npackages: {shop: {dir: b}}\nsteps:\n- {name: d, package: shop}\n"
        + "- {name: a, script: tell}\n- {name: b, script: 'shop:bin/x'}\n- {name: c, run: 'a: b'}\n"
    )
    assert [step.kind for step in plan.steps[1:]] == [
        RunStep(FileScript("tell", "#!/usr/bin/env python3\nprint('${{ not_a_template }}')\n")),
        RunStep(PackageScript("shop", "bin/x")),
        RunStep(InlineScript("a: b")),
    ]


@pytest.mark.usefixtures("here")
def test_a_group_hands_on_what_its_steps_do_not_say_themselves() -> None:
    plan = load(
        HEADER
        + "steps:\n- name: g\n  env: {A: 1, B: 2}\n  secrets: [t]\n  cwd: /srv\n  become: true\n  variables: {v: 1}\n"
        + "  steps:\n  - {name: a, run: x, env: {B: 3, C: 4}, secrets: [u, t], cwd: /tmp, become: {user: app}}\n"
        + "  - name: h\n    steps:\n    - {name: b, run: y}\n"
    )
    group, a, inner, b = plan.walk()
    assert (a.env, a.secrets, a.cwd, a.become) == ({"A": 1, "B": 3, "C": 4}, ("t", "u"), "/tmp", BecomeAs("app"))
    assert (b.env, b.secrets, b.cwd) == ({"A": 1, "B": 2}, ("t",), "/srv")
    assert (group.become, inner.become, b.become) == (BecomeAs(), None, None)
    assert list(group.variables) == ["v"]
    assert b.variables == {}


@pytest.mark.usefixtures("here")
def test_every_other_key_of_a_step_is_read() -> None:
    plan = load(
        HEADER
        + "max_failures: 10%\nunreachable: skip\nmax_parallel: 7\nsteps:\n- name: a\n  id: it\n  on: '!web'\n"
        + "  allow_empty: true\n  when: ${{ x }}\n  become: false\n  env: {A: '${{ b }}', T: {secret: {env: T}}}\n"
        + "  retry: {times: 2, delay: 500ms}\n  timeout: 1h\n  output_limit: 1.5MiB\n  max_parallel: 3\n"
        + "  check: {command: a | b}\n"
    )
    assert (plan.max_failures, plan.skip_unreachable, plan.max_parallel) == (Budget(percent=10.0), True, 7)
    assert plan.steps == (
        Step(
            "a",
            "it",
            CheckStep(Probe(CommandProbe("a | b"))),
            at(7, 3),
            on=("!web",),
            allow_empty=True,
            when=Template("${{ x }}", at(11, 9)),
            env={"A": Template("${{ b }}", at(13, 12)), "T": SecretRef(EnvSource("T"), at(13, 36))},
            timeout_s=3600.0,
            output_limit_bytes=1_572_864,
            retry=Retry(2, 0.5),
            max_parallel=3,
        ),
    )


@pytest.mark.parametrize(
    ("name", "step_id"),
    [
        ("Migrate database", "migrate_database"),
        ("  Tell -- us! ", "tell_us"),
        ("Größe prüfen", "grosse_prufen"),
        ("1. Drain", "step_1_drain"),
        ("部署", ""),
    ],
)
def test_ids_are_made_from_names(name: str, step_id: str) -> None:
    assert slug(name) == step_id


@pytest.mark.parametrize("line", ["version: 1", "project: shop", 'release: "1.4.2"', "steps:"])
@pytest.mark.usefixtures("here")
def test_no_line_of_the_example_can_be_missing_or_broken_without_being_told(line: str) -> None:
    assert line in SPEC_EXAMPLE
    with pytest.raises(FileErrors):
        load(SPEC_EXAMPLE.replace(line, f"{line.split(':')[0]}: [{{}}]", 1))


@pytest.mark.usefixtures("here")
def test_a_script_that_is_too_large_is_refused() -> None:
    Path("big").write_text("x" * ((1 << 20) + 1))
    with pytest.raises(FileErrors, match="4:21: the script is larger than 1 MiB: put it into a package"):
        load(HEADER + "steps:\n- {name: a, script: big}\n")


@pytest.mark.usefixtures("here")
def test_groups_nested_as_deep_as_a_document_may_be_are_read_or_refused() -> None:
    assert len(load(nested(45)).walk()) == 46
    with pytest.raises(FileErrors, match="nested more than 100 deep"):
        load(nested(99))


def nested(depth: int) -> str:
    opening = "".join(f"[{{name: g{number}, steps: " for number in range(depth))
    return f"{HEADER}steps: {opening}[{{name: a, run: x}}]{'}]' * depth}\n"


@pytest.mark.usefixtures("here")
def test_expected_drift_is_read_with_its_end_and_the_id_of_its_step() -> None:
    assert load(SPEC_EXAMPLE).drift_ignore == (
        Expected(path="var/cache/**", reason="the app writes here", until=date(2027, 3, 1)),
    )
    entry = "{path: /etc/motd, reason: of the provider, until: 2026-12-31, step: Message of the day}"
    plan = load(MOTD + f"drift: {{ignore: [{entry}]}}\n")
    assert plan.drift_ignore == (
        Expected(path="/etc/motd", reason="of the provider", until=date(2026, 12, 31), step="motd"),
    )


@pytest.mark.parametrize("drift", ["drift:", "drift: {}", "drift: {ignore: []}"])
@pytest.mark.usefixtures("here")
def test_nothing_expected_is_nothing(drift: str) -> None:
    assert load(f"{MOTD}{drift}\n").drift_ignore == ()


MOTD = """\
version: 1
project: shop
steps:
- {name: Message of the day, id: motd, file: /etc/motd, content: hello}
"""
