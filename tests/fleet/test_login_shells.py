"""Whatever shell people log in with, and whatever their rc files do: a whole apply works and modes come out exact."""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.fleet.bench import Bench, add_person, cleaned, listing, read_link, remove_people, restart_sshd
from tests.fleet.hosts import Fleet, Host
from tests.integration.farm import Told

TOOLS_MISLED = """\
export TAR_OPTIONS='--verbose --exclude=*.txt' GZIP=-v GREP_OPTIONS=--color=always GREP_COLOR='1;31' POSIXLY_CORRECT=1
export CDPATH=/tmp:/ TIME_STYLE=full-iso LC_ALL=de_DE.UTF-8 BASH_ENV=$HOME/noise ENV=$HOME/noise ZSTD_CLEVEL=19
export BLOCK_SIZE=human-readable QUOTING_STYLE=c COLUMNS=10 XZ_OPT=-9 LINES=3 LS_COLORS=x
"""
GARBAGE = r"printf '\033]0;title\007\033[2J\377\376 no line end'; echo 'stdin: is not a tty' >&2"


@dataclass(frozen=True, slots=True)
class Person:
    """Who logs in."""

    shell: str
    files: dict[str, str] = field(default_factory=dict)
    home: str = ""
    home_mode: str = "755"
    root: str = "~/.octo-ssh"


PEOPLE = {
    "csh": Person(
        "/bin/csh", {".cshrc": "echo noise\numask 077\nalias cd 'cd \\!*; echo gone'\n", ".login": "echo x\n"}
    ),
    "tcsh": Person("/usr/bin/tcsh", {".tcshrc": "echo noise > /dev/stderr\numask 000\nset noclobber\n"}),
    "fish": Person("/usr/bin/fish", {".config/fish/config.fish": "echo noise\numask 077\nset -gx CDPATH / /tmp\n"}),
    "zsh": Person("/usr/bin/zsh", {".zshenv": "echo noise\numask 000\nsetopt no_unset err_exit\n"}),
    "noisy": Person(
        "/bin/bash",
        {
            ".bashrc": f"{GARBAGE}\numask 0777\n{TOOLS_MISLED}",
            ".profile": "echo profile\n",
            ".bash_profile": "exec /bin/false\n",
            ".ssh/rc": f"{GARBAGE}\ncat >/dev/null & echo from rc\n",
            "noise": "echo noise of a shell that is asked by nobody\n",
        },
    ),
    "execs": Person(
        "/bin/bash",
        {
            ".bashrc": "case $- in *i*) exec fish ;; esac\n[ -t 0 ] && exec tmux\nset -u\numask 0\n",
            ".profile": '[ -n "$SSH_TTY" ] && exec zsh\n',
        },
    ),
    "dash": Person("/bin/dash", {".profile": "echo noise; umask 077\n"}),
    "oddhome": Person("/bin/bash", home="/home/o'dd  h$(ome) & Co"),
    "closed": Person("/bin/bash", home_mode="711", root="/var/lib/octo x/it's"),
}
MODES = {
    "plain.txt": 0o644,
    "secret.txt": 0o600,
    "group.txt": 0o640,
    "readonly.txt": 0o444,
    "bin/run": 0o755,
    "bin/mine": 0o700,
    "closed/inside.txt": 0o644,
    "config/app.conf": 0o640,
    "var/data/seed.txt": 0o600,
}
FOLDERS = {"bin": 0o755, "closed": 0o700, "config": 0o750, "var": 0o755, "var/data": 0o750}
PLAN = """
- name: Before
  run: |
    echo "in $(basename "$PWD") of $OCTO_TARGET, $(cat plain.txt)"
    echo and more >&2
- name: Deploy
  package: shop
  shared: [var/data]
  configure: [config/app.conf]
  activate: test -f config/app.conf && echo activated "$OCTO_RELEASE"
- name: After
  check: {command: [grep, -qx, "name=${{ target }}", config/app.conf], within: 5s}
"""
EXPECTED = {
    **{name: f"d {mode:o}" for name, mode in FOLDERS.items() if name != "var/data"},
    **{name: f"f {mode:o}" for name, mode in MODES.items() if not name.startswith("var/data/")},
    "var/data": "l 777",
}


@pytest.fixture(scope="module")
def bench(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """All of them on two hosts, each a target of its own; web-01 greets with a banner and a message of the day."""
    bench = Bench.on(fleet, tmp_path_factory.mktemp("shells"))
    bench.write_targets(
        {name: {"on": host_of(fleet, name).name, "user": name, "root": person.root} for name, person in PEOPLE.items()}
    )
    write_archive(bench, "1.0")
    bench.write_plan(PLAN, packages="{shop: {file: shop.tar.gz}}")
    with cleaned({host_of(fleet, name).name: host_of(fleet, name) for name in PEOPLE}.values(), clean):
        greet(fleet.hosts["web-01"])
        for name, person in PEOPLE.items():
            host = host_of(fleet, name)
            add_person(host, name, shell=person.shell, home=person.home, files=person.files)
            host.run(f"chmod {person.home_mode} {shlex.quote(person.home or f'/home/{name}')}")
            if person.root.startswith("/"):
                folder = shlex.quote(person.root.rpartition("/")[0])
                host.run(f"install -d -o {name} -m 755 {folder}")
        yield bench


def greet(host: Host) -> None:
    host.write("/etc/ssh/sshd_config.d/banner.conf", "Banner /etc/banner\nPrintMotd yes\n")
    host.write("/etc/banner", "\x1b[2Jauthorized people only\n" * 50)
    host.write("/etc/motd", "\x1b[1mmaintenance on sunday\n" * 50)
    restart_sshd(host)


def clean(host: Host) -> None:
    remove_people(host, *PEOPLE)
    host.run("rm -rf '/var/lib/octo x' /etc/ssh/sshd_config.d/banner.conf /etc/banner /etc/motd")
    restart_sshd(host)


def write_archive(bench: Bench, text: str) -> None:
    """An archive with modes that no umask makes by itself."""
    with tarfile.open(bench.folder / "shop.tar.gz", "w:gz") as archive:
        for name, mode in FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        for name, mode in MODES.items():
            data = {"config/app.conf": b"name=${{ target }}\n", "plain.txt": text.encode()}.get(name, name.encode())
            member = tarfile.TarInfo(name)
            member.mode, member.size = mode, len(data)
            archive.addfile(member, io.BytesIO(data))


def host_of(fleet: Fleet, name: str) -> Host:
    return fleet.webs[list(PEOPLE).index(name) % 2]


def home_of(name: str) -> str:
    return PEOPLE[name].home or f"/home/{name}"


def root_of(name: str) -> str:
    return PEOPLE[name].root.replace("~", home_of(name))


@pytest.fixture(scope="module")
def applied(bench: Bench) -> Told:
    return bench.apply()


@pytest.mark.parametrize("name", PEOPLE)
def test_a_whole_apply_works(name: str, bench: Bench, applied: Told) -> None:
    assert applied.ends[name] == "changed", applied.stdout
    assert {step: applied.outcomes[step, name] for step in ("before", "deploy", "after")} == {
        "before": "changed",
        "deploy": "changed",
        "after": "unchanged",
    }
    assert applied.output("before", name) == f"in 1.0 of {name}, 1.0\nand more\n"
    assert applied.output("deploy", name) == "activated 1.0\n"


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.usefixtures("applied")
def test_modes_are_those_of_the_package(name: str, bench: Bench) -> None:
    host = host_of(bench.fleet, name)
    to = f"{root_of(name)}/apps/shop/default/shop"
    assert read_link(host, f"{to}/current") == "releases/1.0"
    assert listing(host, f"{to}/releases/1.0") == EXPECTED
    assert listing(host, f"{to}/shared") == {"var": "d 755", "var/data": "d 750", "var/data/seed.txt": "f 600"}
    memory = listing(host, root_of(name))
    assert [memory[path] for path in ("journal.jsonl", "state/shop/default.json")] == ["f 600"] * 2
    assert [memory[path] for path in ("state", "state/shop", "lock", "work")] == ["d 700"] * 4
    about = listing(host, to)
    assert (about["releases/1.0"], about["releases/1.0.json"], about[".octo-ssh"]) == ("d 755", "f 600", "d 755")


@pytest.mark.usefixtures("applied")
def test_the_second_time_nothing_is_to_do_and_a_new_release_arrives(bench: Bench) -> None:
    again = bench.apply()
    assert (again.code, set(again.ends.values())) == (0, {"unchanged"}), again.stdout
    write_archive(bench, "1.1")
    told = bench.apply("--release", "1.1")
    assert told.code == 0, told.stdout
    assert {told.output("before", name) for name in PEOPLE} == {f"in 1.1 of {name}, 1.1\nand more\n" for name in PEOPLE}
    for name in PEOPLE:
        to = f"{root_of(name)}/apps/shop/default/shop"
        assert listing(host_of(bench.fleet, name), f"{to}/releases/1.1") == EXPECTED


def test_exec_and_doctor_hear_nothing_but_the_command(bench: Bench) -> None:
    told = bench.octo("exec", "*", "--json", "--", "printf", "%s", "it's $HOME; *")
    assert told.code == 0, told.stdout
    assert {row["output"] for row in told.document["exec"]} == {"it's $HOME; *"}
    assert bench.octo("doctor", "--json").code == 0
