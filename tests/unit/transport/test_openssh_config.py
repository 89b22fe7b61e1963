"""Our reader of ssh_config against OpenSSH's own: ``ssh -G`` is the judge."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octo_ssh.errors import Position
from octo_ssh.transport.openssh_config import HostConfig, evaluate, seconds
from octo_ssh.transport.openssh_file import ConfigFile, ConfigMistake, split_words
from octo_ssh.transport.openssh_tokens import Tokens, expand_command

NAME = "web-01"
PLACE = Position("config", 1, 1)

HOSTS = st.sampled_from(["*", NAME, "web-*", "!web-01", "web-0?", "db-*", "10.0.0.?", "!*-01 *", "* !db-*"])
PATTERNS = st.sampled_from(["*", NAME, "web-*", "!web-01", "10.0.0.1", "10.0.0.*,!10.0.0.1", "db-*,web-*"])
CONDITIONS = st.one_of(
    st.just("all"),
    st.builds("host {}".format, PATTERNS),
    st.builds("originalhost {}".format, PATTERNS),
    st.builds("!host {}".format, PATTERNS),
    st.builds("user {}".format, st.sampled_from(["deploy", "*", "!deploy", "root,deploy"])),
    st.builds("originalhost {} user {}".format, PATTERNS, st.sampled_from(["deploy", "r*"])),
    st.builds('exec "{}"'.format, st.sampled_from(["true", "false", "test %n = web-01", "test %h = 10.0.0.1"])),
    st.just("final"),
    st.just("!final"),
    st.builds("final host {}".format, PATTERNS),
    st.just("canonical"),
)
OPTIONS = st.one_of(
    st.builds("HostName {}".format, st.sampled_from(["10.0.0.1", "10.0.0.2", "%h.example.net", '"10.0.0.3"'])),
    st.builds("Port {}".format, st.sampled_from(["22", "2222", "=2022", " = 2023"])),
    st.builds("User {}".format, st.sampled_from(["deploy", "root", '"ops"', "ops # us"])),
    st.builds("IdentityFile {}".format, st.sampled_from(["/k/a", "/k/b", "/k/%n", '"/k/with space"', "/k/%r@%h"])),
    st.builds("CertificateFile {}".format, st.sampled_from(["/c/a", "/c/b"])),
    st.builds("ProxyJump {}".format, st.sampled_from(["bastion", "none", "ops@b:2222", "a,b"])),
    st.builds("ProxyCommand {}".format, st.sampled_from(["nc %h %p", "none", "corkscrew proxy 80 %h %p # no comment"])),
    st.builds("HostKeyAlias {}".format, st.sampled_from(["front", "back"])),
    st.builds("IdentitiesOnly {}".format, st.sampled_from(["yes", "no"])),
    st.builds("ConnectTimeout {}".format, st.sampled_from(["5", "1m", "1m30s"])),
    st.builds("ServerAliveInterval {}".format, st.sampled_from(["15", "2m"])),
    st.builds("ServerAliveCountMax {}".format, st.sampled_from(["2", "7"])),
    st.just("ForwardAgent yes"),
    st.just("SendEnv LANG LC_*"),
    st.just("# a comment"),
    st.just(""),
)
BLOCKS = st.tuples(
    st.one_of(st.builds("Host {}".format, HOSTS), st.builds("Match {}".format, CONDITIONS)),
    st.lists(OPTIONS, max_size=4),
)


def written(top: list[str], blocks: list[tuple[str, list[str]]]) -> str:
    lines = list(top)
    for head, options in blocks:
        lines += [head, *(f"  {option}" for option in options)]
    return "\n".join(lines) + "\n"


def ours(path: Path) -> HostConfig:
    files = (ConfigFile(str(path), is_users=True),)
    return evaluate(files, NAME, local_user=getpass.getuser(), find_name=lambda host: None)


def openssh(path: Path) -> dict[str, list[str]]:
    done = subprocess.run(["ssh", "-G", "-F", str(path), NAME], capture_output=True, text=True, check=True)
    said: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key, []).append(value)
    return said


def compare(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(text)
        mine, theirs = ours(path), openssh(path)
    assert (mine.hostname or NAME) == theirs["hostname"][0]
    assert (mine.port or 22) == int(theirs["port"][0])
    assert (mine.user or getpass.getuser()) == theirs["user"][0]
    if mine.identity_files is not None:
        assert list(mine.identity_files) == theirs["identityfile"]
    else:
        assert theirs["identityfile"][0] == "~/.ssh/id_rsa"
    assert list(mine.certificate_files) == theirs.get("certificatefile", [])
    assert mine.host_key_alias == theirs.get("hostkeyalias", [None])[0]
    assert ("yes" if mine.identities_only else "no") == theirs["identitiesonly"][0]
    assert (mine.connect_timeout_s or None) == (
        None if theirs["connecttimeout"][0] == "none" else float(theirs["connecttimeout"][0])
    )
    assert (mine.alive_interval_s or 0) == float(theirs["serveraliveinterval"][0])
    assert (mine.alive_count or 3) == int(theirs["serveralivecountmax"][0])
    assert (mine.proxy_jump or None) == theirs.get("proxyjump", [None])[0]
    assert (mine.proxy_command or None) == theirs.get("proxycommand", [None])[0]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(top=st.lists(OPTIONS, max_size=2), blocks=st.lists(BLOCKS, max_size=5))
def test_every_file_means_what_it_means_to_openssh(top: list[str], blocks: list[tuple[str, list[str]]]) -> None:
    compare(written(top, blocks))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b  c", ("a", "b", "c")),
        ('"a b" c', ("a b", "c")),
        ("a'b c'd", ("ab cd",)),
        (r"a\ b \"c\"", ("a b", '"c"')),
        ("a # b", ("a",)),
        ("a#b", ("a#b",)),
        ('"" x', ("", "x")),
        (r'"a\"b"', ('a"b',)),
        (r"C:\dir", (r"C:\dir",)),
    ],
)
def test_words_are_split_as_openssh_splits_them(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text, PLACE) == words


@pytest.mark.parametrize(("text", "expected"), [("90", 90.0), ("1m30s", 90.0), ("2h", 7200.0), ("1W", 604800.0)])
def test_times_have_units(text: str, expected: float) -> None:
    assert seconds(text, PLACE) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "5x"])
def test_what_is_no_time_is_a_mistake(text: str) -> None:
    with pytest.raises(ConfigMistake, match="is not a time"):
        seconds(text, PLACE)


@pytest.mark.parametrize(
    "name", ["$(id)", "`id`", "a;id", "a|id", "a&id", "a>b", "a'b", 'a"b', "a b", "-oProxyCommand=id"]
)
def test_no_name_becomes_a_part_of_a_command(name: str) -> None:
    tokens = Tokens(name="web", host="10.0.0.1", port="22", user=name, local_user="me", alias="web")
    assert expand_command("nc %h %p %%r", tokens) == "nc 10.0.0.1 22 %r"
    with pytest.raises(ConfigMistake, match="%r"):
        expand_command("nc %h %p %%%r", tokens)


@pytest.mark.parametrize("name", ["web-01.example.net", "fe80::1%eth0", "bücher.example", "svc_deploy", "a+b@corp"])
def test_names_of_machines_and_users_go_into_commands(name: str) -> None:
    tokens = Tokens(name=name, host=name, port="22", user=name, local_user="me", alias=name)
    assert expand_command("nc %h %n %r %k", tokens) == f"nc {name} {name} {name} {name}"


def test_match_exec_runs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('Match exec "true %r"\n  Port 2222\n')
    file = ConfigFile(str(path), is_users=True)
    with pytest.raises(ConfigMistake, match="shell"):
        evaluate([file], "web", local_user="me", user="$(id)", find_name=lambda host: None)
