"""Scripts and probes as targets will get them."""

from __future__ import annotations

import subprocess
from dataclasses import replace

from octo_ssh.model.plan import CheckStep, CommandProbe, HttpProbe, InlineScript, PackageScript, Probe, RunStep
from octo_ssh.model.values import Template
from octo_ssh.model.work import HttpWork, LateText, ProbeWork, ScriptWork
from octo_ssh.planning.scripts import MAX_SCRIPT_BYTES, package_scripts
from tests.unit.planning.builders import HERE, Case, check, files, loaded, observed, package, run, step, tree_of


def probe_of(what: HttpProbe | CommandProbe, **variables: str) -> ProbeWork:
    made = loaded(run("make"), step("ask", CheckStep(Probe(what))), targets=("web-1",), variables=variables)
    work = Case(made, {"web-1": observed()}).of("ask").work
    assert isinstance(work, ProbeWork)
    return work


def test_what_a_template_gives_for_a_command_is_never_read_by_a_shell() -> None:
    hostile = 'a\'; echo "$HOME" $(id) `id`\n *'
    words = ("printf", "%s|", Template("${{ word }}", HERE), "it's; $HOME")
    script = probe_of(CommandProbe(words), word=hostile).what
    assert isinstance(script, ScriptWork)
    assert isinstance(script.script, str)
    assert script.script == """printf '%s|' "$OCTO_ARG_3" 'it'"'"'s; $HOME'\n"""
    env = {name: value for name, value in script.env.items() if isinstance(value, str)}
    told = subprocess.run(
        ["sh", "-c", script.script], env={**env, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    assert told.stdout.decode() == f"{hostile}|it's; $HOME|"


def test_words_and_urls_may_wait_for_outputs() -> None:
    late = Template("${{ steps.make.output.PORT }}", HERE)
    script = probe_of(CommandProbe(("curl", late))).what
    assert isinstance(script, ScriptWork)
    assert isinstance(script.env["OCTO_ARG_2"], LateText)
    asked = probe_of(HttpProbe(Template("http://x:${{ steps.make.output.PORT }}/", HERE), "ok")).what
    assert isinstance(asked, HttpWork)
    assert isinstance(asked.url, LateText)
    assert (asked.url.after, asked.contains) == (("make",), "ok")


def test_a_step_that_restarts_the_machine_says_so_and_its_digest_does_not() -> None:
    def work(*, reboots: bool) -> ScriptWork:
        kind = RunStep(InlineScript("reboot"), reboots=reboots)
        found = Case(loaded(step("s", kind), targets=("web-1",)), {"web-1": observed()}).of("s").work
        assert isinstance(found, ScriptWork)
        return found

    assert (work(reboots=True).reboots, work(reboots=False).reboots) == (True, False)
    assert work(reboots=True).digest == work(reboots=False).digest


def test_the_limit_of_output_goes_with_every_script_of_a_step_and_is_no_part_of_its_digest() -> None:
    def work(limit: int) -> ScriptWork:
        made = replace(run("s"), output_limit_bytes=limit)
        found = Case(loaded(made, targets=("web-1",)), {"web-1": observed()}).of("s").work
        assert isinstance(found, ScriptWork)
        return found

    assert work(5000).output_limit_bytes == 5000
    assert work(5000).digest == work(9000).digest


def test_the_scripts_inside_packages_that_are_read_are_those_that_run_and_are_small() -> None:
    plan = loaded(package(), step("a", RunStep(PackageScript("shop", "bin/app"))), check(), packages=("shop",))
    contents = {
        "Deploy.sh": "x",
        "PostDeploy.sh": "x" * (MAX_SCRIPT_BYTES + 1),
        "bin/app": "x",
        "sub/PreDeploy.sh": "x",
    }
    manifest = tree_of(contents)
    assert package_scripts(plan, {"shop": manifest}) == (("shop", "Deploy.sh"), ("shop", "bin/app"))
    assert package_scripts(plan, {"shop": files(other="x")}) == ()
