"""known_hosts as text: read, looked up (``ssh-keygen -F`` is the judge), edited for a yes."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octo_ssh.errors import Position
from octo_ssh.transport.hostkeys import Key, compare, problems, updated
from octo_ssh.transport.known_hosts import Marker, fingerprint, hashed, host_name, parse


def blob(kind: str, seed: int) -> bytes:
    """A public key as far as known_hosts is concerned; the ed25519 ones are real enough for OpenSSH."""
    name = kind.encode()
    body = bytes([seed]) * 32
    return len(name).to_bytes(4, "big") + name + len(body).to_bytes(4, "big") + body


def key(kind: str = "ssh-ed25519", seed: int = 1) -> Key:
    return kind, blob(kind, seed)


def line(names: str, one: Key) -> str:
    return f"{names} {one[0]} {base64.b64encode(one[1]).decode()}"


ED, ED2, RSA, RSA2 = key(), key(seed=2), key("ssh-rsa"), key("ssh-rsa", 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("web-01", "a line is: names, key type, key"),
        ("@trusted web-01 ssh-ed25519 AAAA", "unknown marker '@trusted'"),
        ("web-01 ssh-ed25519 !!!", "the key after 'ssh-ed25519' is damaged"),
        ("web-01 ssh-ed25519 AAAA", "the key after 'ssh-ed25519' is damaged"),
        (line("web-01", ED).replace("ssh-ed25519", "ssh-rsa"), "says 'ssh-rsa', but its key is of type 'ssh-ed25519'"),
        (line("|2|x|y", ED), "the hashed name is damaged"),
        (line("|1|!|y", ED), "the hashed name is damaged"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_problem_at_its_place(text: str, words: str) -> None:
    found = problems(f"# fine\n\n{text}\n{line('ok', ED)}\n", "known_hosts")
    assert [(problem.position, words in problem.message) for problem in found] == [
        (Position("known_hosts", 3, 1), True)
    ]


def test_markers_are_told_apart() -> None:
    text = "\n".join((line("@cert-authority *.example.net", ED), line("@revoked *", ED2), line("web.example.net", RSA)))
    known = parse(text, "").lookup("WEB.example.net")
    assert [(one.kind, one.marker) for one in known.lines] == [
        ("ssh-ed25519", Marker.AUTHORITY),
        ("ssh-ed25519", Marker.REVOKED),
        ("ssh-rsa", Marker.KEY),
    ]
    assert known.holds(RSA[1])
    assert not known.holds(ED[1])


def test_a_port_that_is_not_22_is_part_of_the_name() -> None:
    assert host_name("Web-01", 22) == "web-01"
    assert host_name("::1", 2222) == "[::1]:2222"


NAMES = st.sampled_from(["web-01", "web-02", "[web-01]:2222", "10.0.0.1", "::1", "[::1]:22022"])
FIELDS = st.lists(
    st.sampled_from(
        [
            "web-01",
            "WEB-01",
            "web-*",
            "web-0?",
            "!web-01",
            "*",
            "[web-01]:2222",
            "[*]:*",
            "10.0.0.*",
            "::1",
            "!10.0.0.1",
        ]
    ),
    min_size=1,
    max_size=4,
).map(",".join)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@settings(max_examples=80, deadline=None)
@given(name=NAMES, fields=st.lists(st.one_of(FIELDS, NAMES.map(hashed)), min_size=1, max_size=4))
def test_names_are_looked_up_as_openssh_does(name: str, fields: list[str]) -> None:
    text = "".join(line(names, ED) + "\n" for names in fields)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known_hosts"
        path.write_text(text)
        command = ["ssh-keygen", "-F", name, "-f", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    theirs = [int(one.split("line ")[1].split()[0]) for one in said.splitlines() if one.startswith("# Host")]
    assert [one.position.line for one in parse(text, "").lookup(name).lines] == theirs


def after(text: str, *keys: Key, address: str = "web-01") -> str:
    return updated(text, [compare("web-01", address, keys, parse(text, ""))])


def test_a_new_target_is_written_at_the_end() -> None:
    before = f"# ours\n{line('db', ED2)}"
    assert after(before, ED, RSA) == f"{before}\n{line('web-01', ED)}\n{line('web-01', RSA)}\n"
    assert after("", ED) == f"{line('web-01', ED)}\n"


def test_a_known_target_is_left_alone_even_when_it_shows_more() -> None:
    text = f"{line('web-01', ED)}\n"
    change = compare("web-01", "web-01", (ED, RSA), parse(text, ""))
    assert (change.is_new, change.is_changed, change.lines) == (False, False, ())
    assert updated(text, [change]) == text


def test_a_changed_key_replaces_the_old_one_in_its_place() -> None:
    text = f"# a\n{line('web-01', ED)} comment\n{line('web-01', RSA)}\n# b\n{line('db', ED)}\n"
    change = compare("web-01", "web-01", (ED2, RSA), parse(text, ""))
    assert change.is_changed
    assert updated(text, [change]) == f"# a\n{line('web-01', ED2)}\n{line('web-01', RSA)}\n# b\n{line('db', ED)}\n"


def test_keys_of_a_kind_that_is_not_shown_any_more_go_with_a_change() -> None:
    text = f"{line('web-01', ED)}\n{line('web-01', RSA)}\n"
    assert after(text, ED2) == f"{line('web-01', ED2)}\n"


def test_only_one_name_of_several_goes() -> None:
    text = f"{line('web-01,10.0.0.1', ED)}\n"
    assert after(text, ED2) == f"{line('web-01', ED2)}\n{line('10.0.0.1', ED)}\n"


def test_patterns_and_markers_stay() -> None:
    text = f"{line('web-*', ED)}\n{line('@cert-authority *', RSA)}\n{line('@revoked web-01', RSA2)}\n"
    assert after(text, ED2) == text + f"{line('web-01', ED2)}\n"


def test_names_stay_hidden_where_all_are() -> None:
    text = f"{line(hashed('web-01'), ED)}\n{line(hashed('db'), ED)}\n"
    result = after(text, ED2).splitlines()
    assert [one.startswith("|1|") for one in result] == [True, True]
    hosts = parse("\n".join(result), "")
    assert hosts.lookup("web-01").holds(ED2[1])
    assert not hosts.lookup("web-01").holds(ED[1])
    assert hosts.lookup("db").holds(ED[1])


@given(
    text=st.lists(
        st.builds(line, st.sampled_from(["web-01", "db", "web-01,db", "web-*"]), st.sampled_from([ED, ED2, RSA, RSA2])),
        max_size=6,
    ),
    shown=st.lists(st.sampled_from([ED, ED2, RSA, RSA2]), min_size=1, max_size=2, unique_by=lambda one: one[0]),
)
def test_after_a_yes_every_shown_key_that_was_written_is_known_and_others_lose_nothing(
    text: list[str], shown: list[Key]
) -> None:
    before = "\n".join(text) + "\n" if text else ""
    result = after(before, *shown)
    assert after(result, *shown) == result
    known = parse(result, "").lookup("web-01")
    assert any(known.holds(one[1]) for one in shown)
    assert {one.blob for one in parse(before, "").lookup("db").keys} == {
        one.blob for one in parse(result, "").lookup("db").keys
    }


def test_a_fingerprint_has_no_padding() -> None:
    assert fingerprint(ED[1]).startswith("SHA256:")
    assert "=" not in fingerprint(ED[1])
