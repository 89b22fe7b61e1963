"""Steps on the controller, beside real targets: when they run, for whom, with what, and what their failure does."""

from __future__ import annotations

import http.server
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.integration.farm import Farm, Told, is_alive, wait_until

SECRET = "correct horse battery staple"


def told_here(farm: Farm, name: str = "log") -> list[str]:
    """What steps wrote beside the plan."""
    path = farm.folder / name
    return path.read_text().splitlines() if path.exists() else []


def touched(farm: Farm, name: str) -> set[str]:
    return {target for target in farm.hosts if (farm.home(target) / name).exists()}


def release(farm: Farm, steps: str, version: str = "1.0", **top: object) -> None:
    farm.write_release({"version": version})
    farm.write_plan(steps, release=version, **top)  # type: ignore[arg-type]


# When.

NOTIFY = """
- {name: Deploy, package: shop, activate: 'test ! -e ~/broken'}
- {name: Good, "on": controller, run: 'echo "good $OCTO_RUN_OUTCOME" >>log'}
- {name: Bad, "on": controller, when: failure, run: 'echo "bad $OCTO_RUN_OUTCOME" >>log'}
- {name: Tell, "on": controller, when: always, run: 'echo "$OCTO_PROJECT $OCTO_RELEASE $OCTO_RUN_OUTCOME" >>log'}
"""


def test_it_runs_where_the_run_changes_something_and_as_the_run_went(farm: Farm) -> None:
    release(farm, NOTIFY)
    told = farm.plan_then_apply()
    assert (told.code, told_here(farm)) == (0, ["good success", "shop 1.0 success"])
    assert told.outcome("tell") == {"controller": "changed"}
    assert told.ends == {"web-1": "changed", "web-2": "changed"}
    assert farm.is_settled()
    (farm.home() / "broken").touch()
    release(farm, NOTIFY, "1.1")
    told = farm.apply()
    assert told.code == 1
    assert told_here(farm)[2:] == ["bad failure", "shop 1.1 failure"]
    assert told.outcome("good") == {}


def test_what_failed_and_changed_nothing_is_told_too(farm: Farm) -> None:
    release(farm, NOTIFY)
    assert farm.apply().code == 0
    (farm.folder / "log").unlink()
    farm.hosts["web-2"].stop()
    told = farm.apply()
    assert (told.code, told.ends) == (4, {"web-1": "unchanged", "web-2": "unreachable"})
    assert told_here(farm) == ["bad failure", "shop 1.0 failure"]
    assert "lock" not in told.phases
    (farm.folder / "log").unlink()
    release(farm, NOTIFY, unreachable="skip")
    assert farm.apply().code == 4
    assert told_here(farm) == []


def test_what_stopped_before_the_first_change_is_told(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    release(farm, NOTIFY, "1.1")
    farm.hosts["web-3"].stop()
    told = farm.apply()
    assert (told.code, told.ends["web-1"], touched(farm, ".octo-ssh/apps")) == (4, "skipped", set())
    assert told_here(farm) == ["bad failure", "shop 1.1 failure"]


def test_in_a_runbook_it_always_runs_and_a_plan_may_have_nothing_else(farm: Farm) -> None:
    farm.write_plan("- {name: Here, 'on': controller, run: 'pwd >>log; echo \"$OCTO_TARGET\" >>log'}", packages="")
    for _ in range(2):
        told = farm.plan_then_apply()
        assert (told.code, told.ends) == (0, {})
    assert told_here(farm) == [str(farm.folder), "controller"] * 2
    assert not any(farm.home().iterdir())


def test_an_ignored_failure_there_is_none_of_the_run(farm: Farm) -> None:
    release(
        farm,
        """
        - {name: Deploy, package: shop}
        - {name: Tell, "on": controller, on_failure: ignore, run: exit 3}
        - {name: After, run: touch ~/after}
        """,
    )
    told = farm.apply()
    assert (told.code, told.outcome("tell"), touched(farm, "after")) == (
        0,
        {"controller": "failed"},
        {"web-1", "web-2"},
    )
    assert farm.is_settled()


def test_a_failure_there_halts_the_run_and_the_next_apply_goes_on(farm: Farm) -> None:
    release(
        farm,
        """
        - {name: Deploy, package: shop}
        - {name: Gate, "on": controller, run: test -e open}
        - {name: After, run: touch ~/after}
        - {name: Always, when: always, run: touch ~/always}
        """,
        max_failures=5,
    )
    told = farm.apply()
    assert told.code == 1
    assert told.ends == {"web-1": "skipped", "web-2": "skipped", "controller": "failed"}
    assert "'Gate' failed on the controller" in told.all("run_halted")[0]["reason"]
    assert (touched(farm, "after"), touched(farm, "always")) == (set(), {"web-1", "web-2"})
    (farm.folder / "open").touch()
    told = farm.apply()
    assert (told.code, touched(farm, "after")) == (0, {"web-1", "web-2"})
    assert told.outcome("gate") == {"controller": "changed"}
    assert farm.is_settled()


# With what.


def test_it_sees_the_plans_folder_this_machines_environment_and_no_secret_it_does_not_name(farm: Farm) -> None:
    farm.env |= {"TOKEN": SECRET, "SUDO_PASSWORD": SECRET, "DEPLOY_KEY": SECRET, "OTHER": "stays"}
    farm.write_inventory(
        {name: {"become": {"password": {"secret": {"env": "SUDO_PASSWORD"}}}} for name in farm.hosts},
        variables={"key": {"secret": {"env": "DEPLOY_KEY"}}, "plain": 7, "own": "${{ target }}"},
    )
    farm.write_plan(
        """
        - {name: Without, "on": controller, run: 'env >env-without; echo "$plain|$OTHER|${own-none}|$OCTO_RELEASE_DIR"'}
        - name: With
          "on": controller
          secrets: [token]
          env: {URL: "https://u:${{ token }}@x"}
          run: 'printf "%s %s" "$token" "$URL" >with; echo "it is $token at $URL"'
        - {name: There, "on": controller, cwd: sub, run: pwd}
        - {name: Script, "on": controller, script: tool}
        """,
        packages="",
        variables={"token": {"secret": {"env": "TOKEN"}}},
    )
    (farm.folder / "sub").mkdir()
    farm.write("tool", '#!/usr/bin/python3\nimport os\nprint("python", os.environ["plain"])\n')
    told = farm.plan_then_apply("-vv")
    assert told.code == 0, told.stdout
    assert told.output("without", "controller") == "7|stays|none|\n"
    assert SECRET not in (farm.folder / "env-without").read_text()
    assert (farm.folder / "with").read_text() == f"{SECRET} https://u:{SECRET}@x"
    assert told.output("with", "controller") == "it is *** at https://u:***@x\n"
    assert told.output("there", "controller") == f"{farm.folder}/sub\n"
    assert told.output("script", "controller") == "python 7\n"
    assert SECRET not in told.stdout + told.stderr


@pytest.fixture
def page() -> Iterator[str]:
    """The address of something that says ``Welcome`` on this machine."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 503)
            self.end_headers()
            self.wfile.write(b"Welcome")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_check_there_asks_from_here(farm: Farm, page: str) -> None:
    steps = """
    - {name: Touch, run: touch ~/touched}
    - {name: Page, "on": controller, check: {http: "PAGE/", contains: Welcome, within: 10s}}
    - {name: Command, "on": controller, check: {command: [test, -e, here], within: 10s}}
    - {name: Down, "on": controller, on_failure: ignore, check: {http: "PAGE/down", within: 1s, every: 300ms}}
    """
    farm.write_plan(steps.replace("PAGE", page), packages="")
    (farm.folder / "here").touch()
    told = farm.apply()
    assert told.code == 0, told.stdout
    assert (told.outcome("page"), told.outcome("command")) == ({"controller": "unchanged"}, {"controller": "unchanged"})
    assert told.outcome("down") == {"controller": "failed"}
    assert "503" in next(event["tail"] for event in told.all("step_ended") if event["step"] == "down")


# Once for each target of a rolling group.

ROLLING = """
- name: Roll out
  rolling: {window: 1, max_failures: 1}
  steps:
  - {name: Drain, "on": controller, run: 'echo "drain $OCTO_TARGET $own" >>log; test ! -e "stuck-$OCTO_TARGET"'}
  - {name: Deploy, package: shop, activate: 'test ! -e ~/broken'}
  - {name: Undrain, "on": controller, when: always, run: 'echo "undrain $OCTO_TARGET $OCTO_RUN_OUTCOME" >>log'}
"""


def rolling(farm: Farm, version: str = "1.0") -> None:
    farm.write_inventory(variables={"own": "of ${{ target }}"})
    release(farm, ROLLING, version)


def test_in_a_rolling_group_it_runs_once_for_each_target_around_its_steps(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    rolling(farm)
    told = farm.plan_then_apply()
    assert told.code == 0, told.stdout
    assert told_here(farm) == [
        line
        for name in farm.hosts
        for line in (f"drain {name} of {name}", f"undrain {name} success")
    ]  # fmt: skip
    assert told.outcome("drain") == dict.fromkeys(farm.hosts, "changed")
    assert farm.is_settled()


def test_only_for_targets_whose_group_changes_them(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    rolling(farm)
    assert farm.apply().code == 0
    (farm.folder / "log").unlink()
    (farm.to("web-2") / "current/version").write_text("tampered")
    told = farm.plan_then_apply()
    assert told_here(farm) == ["drain web-2 of web-2", "undrain web-2 success"]
    assert told.ends == {"web-1": "unchanged", "web-2": "changed", "web-3": "unchanged"}


def test_its_clean_up_runs_for_a_target_that_failed(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    rolling(farm)
    (farm.home("web-1") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "changed", "web-3": "changed"})
    assert told_here(farm)[1] == "undrain web-1 failure"
    assert len(told_here(farm)) == 6


def test_its_failure_for_one_target_is_that_targets(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    rolling(farm)
    (farm.folder / "stuck-web-2").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "changed", "web-2": "failed", "web-3": "changed"})
    assert (farm.current("web-2"), farm.current("web-3")) == (None, "1.0")
    assert "undrain web-2 failure" in told_here(farm)
    (farm.folder / "stuck-web-2").unlink()
    (farm.folder / "log").unlink()
    told = farm.apply("--limit", "@failed")
    assert (told.code, farm.current("web-2")) == (0, "1.0")
    assert told_here(farm) == ["drain web-2 of web-2", "undrain web-2 success"]


def test_a_clean_up_that_failed_is_done_by_the_next_run(farm: Farm) -> None:
    farm.write_inventory(variables={"own": "x"})
    release(farm, ROLLING.replace(">>log'}", ">>log; test ! -e ./undrain-fails'}"))
    (farm.folder / "undrain-fails").touch()
    told = farm.apply()
    assert (told.code, farm.current("web-1")) == (1, "1.0")
    (farm.folder / "undrain-fails").unlink()
    (farm.folder / "log").unlink()
    told = farm.plan_then_apply()
    assert (told.code, told.ends["web-1"]) == (0, "changed")
    assert "undrain web-1 success" in told_here(farm)
    assert not any(line.startswith("drain web-1") for line in told_here(farm))
    assert farm.apply().code == 0
    assert farm.is_settled()


# Signals.


def _interrupted(farm: Farm, steps: str) -> Told:
    farm.write_plan(steps, packages="")
    process = farm.start_apply()
    wait_until((farm.folder / "pid").exists, "the step runs")
    farm.interrupt(process)
    return farm.finish(process)


HANGS = """
- {name: Touch, run: touch ~/touched}
- {name: Hang, "on": controller, run: 'sleep 600 & echo $$ $! >pid.new; mv pid.new pid; wait'}
- {name: Never, "on": controller, run: echo never >>log}
- {name: Always, "on": controller, when: always, run: 'echo "always $OCTO_RUN_OUTCOME" >>log'}
"""


def test_an_interrupt_ends_it_with_all_that_it_started_and_the_last_word_is_said(farm: Farm) -> None:
    told = _interrupted(farm, HANGS)
    assert told.code == 130
    pids = [int(word) for word in (farm.folder / "pid").read_text().split()]
    wait_until(lambda: not [pid for pid in pids if is_alive(pid)], "its processes end")
    assert told_here(farm) == ["always failure"]
    assert not farm.is_locked()


def test_a_timeout_there_ends_what_it_started(farm: Farm) -> None:
    farm.write_plan(
        "- {name: Hang, 'on': controller, timeout: 1s, run: '(trap \"\" TERM; sleep 600) & echo $! >pid; wait'}",
        packages="",
    )
    told = farm.apply()
    assert (told.code, told.outcome("hang")) == (1, {"controller": "failed"})
    assert told.reason("hang", "controller").startswith("not done within 1 s")
    pid = int((farm.folder / "pid").read_text())
    try:
        assert not is_alive(pid)
    finally:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
