"""What scripts tell with messages: artifacts, progress, marked lines, why they fail. Targets may lie in all of them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.integration.farm import Farm, Told

ENCODE = 'b() { printf %s "$1" | base64 | tr -d "\\n"; }\n'
"""For scripts that make messages by hand."""
HIDDEN = "octo-ssh: a message that could not be read is not shown: it may hold a secret\n"


def script(farm: Farm, text: str, *, on: str = "web", mode: str = "") -> None:
    """A runbook of one step, ``say``."""
    farm.write("say.sh", text)
    farm.write_plan(f'- {{name: Say, "on": {on}, script: say.sh{mode}}}', packages="")


def run_folder(farm: Farm, told: Told) -> Path:
    return farm.state / "runs" / str(told.all("run_started")[0]["run"])


def artifacts(farm: Farm, told: Told) -> dict[str, bytes]:
    """All that lies under the run's folder, but for its record; by path."""
    folder = run_folder(farm, told)
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
    return {name: path.read_bytes() for name, path in files.items() if name.startswith("artifacts/")}


def test_artifacts_come_home_from_targets_and_from_here_whatever_they_are_called(farm: Farm) -> None:
    farm.write_plan(
        """
        - name: Report
          run: |
            cd ~ && mkdir -p reports && printf 'of %s\\0\\377' "$OCTO_TARGET" >reports/today.txt
            octo_artifact reports/today.txt
            octo_artifact reports/today.txt
            octo_artifact ~/reports/today.txt "the report of $OCTO_TARGET.txt"
        - {name: Here, "on": controller, run: 'pwd >where; octo_artifact where'}
        """,
        packages="",
    )
    told = farm.apply()
    assert told.code == 0, told.stdout
    kept = artifacts(farm, told)
    for name in farm.hosts:
        content = b"of " + name.encode() + b"\0\xff"
        folder = f"artifacts/{name}/report"
        assert kept.pop(f"{folder}/today.txt") == content
        assert kept.pop(f"{folder}/today_1.txt") == content
        assert kept.pop(f"{folder}/the_report_of_{name}.txt") == content
    assert kept == {"artifacts/controller/here/where": f"{farm.folder}\n".encode()}
    events = told.all("artifact_kept")
    assert len(events) == 7
    for event in events:
        path = Path(event["path"])
        assert (path.stat().st_size, stat.S_IMODE(path.stat().st_mode)) == (event["bytes"], 0o600)


NAMES = [
    "../../../../evil",
    "/etc/evil",
    "..",
    ".bashrc",
    "-rf",
    "a\nb",
    "a\x1b[2Jb\x07",
    "x" * 5000,
    "a/../../b",
    "c:\\d",
]


def test_no_name_leads_out_of_the_runs_folder(farm: Farm) -> None:
    before = set(farm.folder.rglob("*"))
    script(
        farm, "\n".join(f"octo_send createArtifact path ~/it name \"$(printf '{in_octal(name)}')\"" for name in NAMES)
    )
    (farm.home() / "it").write_text("it")
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stdout
    kept = artifacts(farm, told)
    assert len(kept) == len(NAMES)
    assert set(kept.values()) == {b"it"}
    assert {Path(name).parent for name in kept} == {Path("artifacts/web-1/say")}
    assert all(name.isascii() and name.isprintable() for name in kept)
    after = {path for path in farm.folder.rglob("*") if not path.is_relative_to(run_folder(farm, told))}
    new = {path.name for path in after - before}
    assert not new & {"evil", "b", ".bashrc", "d", "it"}, new
    assert not Path("/etc/evil").exists()


def in_octal(name: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in name.encode())


def test_artifacts_of_a_failed_step_come_home_too(farm: Farm) -> None:
    script(farm, "echo why >log; octo_artifact log; octo_artifact /does/not/exist; fail_step 'it broke'")
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.reason("say")) == (1, "it broke")
    assert artifacts(farm, told) == {"artifacts/web-1/say/log": b"why\n"}


MESSAGE = 'echo "##octopus[createArtifact path=\'$(b "%s")\']"\n'


@pytest.mark.parametrize(
    ("make", "path", "reason"),
    [
        ("", "/does/not/exist", "is not there"),
        ("mkdir ~/folder", "$HOME/folder", "not a plain file"),
        ("mkfifo ~/fifo", "$HOME/fifo", "not a plain file"),
        ("", "/dev/zero", "not a plain file"),
        ("truncate -s 1100M ~/big", "$HOME/big", "is the most that is copied"),
        ("", "$(touch ~/pwned)", "is not there"),
    ],
    ids=["missing", "folder", "fifo", "device", "large", "shell"],
)
def test_what_cannot_be_copied_fails_the_step_and_leaves_nothing(farm: Farm, make: str, path: str, reason: str) -> None:
    quoted = path if path.startswith("$HOME") else path.replace("$", "\\$")
    script(farm, f"{ENCODE}{make}\n" + MESSAGE % quoted)
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("say")) == (1, {"web-1": "failed"})
    assert "an artifact cannot be kept: " in told.reason("say")
    assert reason in told.reason("say")
    assert artifacts(farm, told) == {}
    assert not (farm.home() / "pwned").exists()


def test_no_more_artifacts_are_taken_than_a_script_may_keep(farm: Farm) -> None:
    script(farm, "for n in $(seq 25); do echo $n >f$n; octo_artifact f$n; done")
    told = farm.apply("--limit", "web-1")
    assert told.code == 0
    assert len(artifacts(farm, told)) == 20
    assert told.output("say").count("is dropped: a script may keep 20") == 5


LEVELS = """
echo plain
octo_progress 10 looking
octo_highlight "schema is at 7" and more
octo_warn 'disk is <b>nearly</b> [red]full[/red]'
write_verbose quiet
write_wait soon
octo_progress 100 "done"
printf 'no line end'
"""


def test_progress_and_marked_lines_are_events_of_their_own(farm: Farm) -> None:
    script(farm, LEVELS)
    told = farm.apply("--limit", "web-1")
    assert told.code == 0
    assert [(e["percent"], e["text"]) for e in told.all("step_progress")] == [(10, "looking"), (100, "done")]
    assert [(e["level"], e["text"]) for e in told.all("step_said")] == [
        ("highlight", "schema is at 7 and more"),
        ("warning", "disk is <b>nearly</b> [red]full[/red]"),
        ("wait", "soon"),
    ]
    assert told.output("say") == "plain\nquiet\nno line end"
    people = farm.octo("apply", "plan.yaml", "--limit", "web-1")
    for text in ("schema is at 7 and more", "disk is <b>nearly</b> [red]full[/red]", "looking"):
        assert text in people.stdout + people.stderr
    assert "plain" not in people.stdout + people.stderr


NOISE = r"""
printf '##octopus[progress percentage=%s]\n' "'!!'"
printf '##octopus[unheardOf a=%s]\n' "'YQ=='"
printf '##octopus[setVariable name=%s value=%s]\n' "'!!'" "'czNjcjN0LXZhbHVl'"
printf '##octopus[progress\n'
printf 'not ##octopus[progress percentage=%s]\n' "'NTA='"
printf '##octopus[setVariable name=%s value=%s sensitive=%s]\n' "'QQ=='" "'YWI='" "'VHJ1ZQ=='"
printf '##octopus[setVariable name=%s value=%s]\n' "'YSRiKGMp'" "'YQ=='"
printf '##octopus[setVariable name=%s value=%s]\n' "'Tg=='" "'YQBi'"
head -c 70000 /dev/zero | tr '\0' x | sed 's/^/##octopus[stdout-highlight /'
printf '\033]0;title\007\033[31mred\n'
printf '\n##octopus[stdout-highlight]\n\033[2J\342\200\256<script>\n##octopus[stdout-default]\n'
octo_set Good yes
printf '##octopus[setVariable name=%s value=%s' "'Tk9OQU1F'" "'YmVnaW4="
"""


def test_messages_that_make_no_sense_are_text_and_what_may_be_secret_is_not_shown(farm: Farm) -> None:
    script(farm, NOISE)
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stdout
    output = told.output("say")
    assert "##octopus[progress percentage='!!']\n" in output
    assert "##octopus[unheardOf a='YQ==']\n" in output
    assert "not ##octopus[progress percentage='NTA=']\n" in output
    assert output.count(HIDDEN) == 2
    assert "czNjcjN0" not in told.stdout
    assert "YmVnaW4" not in told.stdout
    assert "a secret is at least 4 characters" in output
    assert "its name must be" in output
    assert "holds a NUL byte" in output
    assert output.count("x" * 1000) > 0
    assert [(e["name"], e["value"]) for e in told.all("output_set")] == [("Good", "yes")]
    assert [e["text"] for e in told.all("step_said")] == ["<script>"]
    people = farm.octo("apply", "plan.yaml", "--limit", "web-1", "-v")
    assert people.code == 0
    assert "\x1b" not in people.stdout + people.stderr
    assert "\u202e" not in people.stdout + people.stderr


FAILURES = [
    ("fail_step 'no route to $HOME'", 1, "no route to $HOME"),
    ("set -e; fail_step 'first'; echo never", 1, "first"),
    ("fail_step", 1, "exit status 1"),
    ("exit 42", 42, "exit status 42"),
    (ENCODE + "echo \"##octopus[resultMessage message='$(b 'by hand')']\"; exit 3", 3, "by hand"),
    ('fail_step "the token is $token"', 1, "the token is ***"),
]


@pytest.mark.parametrize(
    ("text", "status", "reason"), FAILURES, ids=["said", "set -e", "silent", "plain", "hand", "secret"]
)
def test_a_script_says_why_it_fails(farm: Farm, text: str, status: int, reason: str) -> None:
    farm.env["TOKEN"] = "hunter2hunter2"
    farm.write("say.sh", text)
    farm.write_plan(
        "- {name: Say, script: say.sh, secrets: [token]}\n- {name: Then, run: echo, when: failure}",
        packages="",
        variables={"token": {"secret": {"env": "TOKEN"}}},
    )
    told = farm.apply("--limit", "web-1")
    [ended] = [event for event in told.all("step_ended") if event["step"] == "say"]
    assert (told.code, ended["status"], ended["reason"]) == (1, status, reason)
    assert told.outcome("then") == {"web-1": "changed"}
    people = farm.octo("apply", "plan.yaml", "--limit", "web-1")
    assert reason in people.stdout + people.stderr
    assert "hunter2" not in told.stdout + people.stdout + people.stderr


def test_a_reason_of_a_script_that_succeeds_is_none(farm: Farm) -> None:
    script(farm, ENCODE + "echo \"##octopus[resultMessage message='$(b 'never mind')']\"")
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.reason("say")) == (0, "ran")


def test_the_limits_of_outputs_are_said_and_hold(farm: Farm) -> None:
    script(
        farm,
        "for n in $(seq 120); do octo_set V$n $n; done\n"
        "octo_set V1 \"$(head -c 40000 /dev/zero | tr '\\0' x)\"\n"
        "octo_set V2 again\n",
    )
    told = farm.apply("--limit", "web-1")
    assert told.code == 0
    assert told.output("say").count("is dropped: a script may set 100") == 20
    assert "output V1 is dropped: a value may hold 32 KiB" in told.output("say")
    assert len(farm.baseline()["outputs"]["say"]["values"]) == 100
    assert farm.baseline()["outputs"]["say"]["values"]["V2"] == "again"
