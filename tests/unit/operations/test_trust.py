"""known_hosts, written only as a whole."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import pytest

from octo_ssh.errors import FileErrors, UsageError
from octo_ssh.model.reports import KeyChange
from octo_ssh.operations.trust import collected, write
from tests.unit.operations.fleets import LocalFleet

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43


def change(name: str, address: str, blob: str = BLOB) -> KeyChange:
    return KeyChange(name, address, {"ssh-ed25519": "SHA256:new"}, {}, (f"{address} ssh-ed25519 {blob}",))


@pytest.fixture
def known(fleet: LocalFleet) -> Path:
    return fleet.folder / "known_hosts"


def test_the_file_is_made_where_there_is_none(fleet: LocalFleet, known: Path) -> None:
    assert write(fleet.request(), [change("web-1", "web-1"), change("db", "[db]:2222")]) == known
    assert known.read_text() == f"web-1 ssh-ed25519 {BLOB}\n[db]:2222 ssh-ed25519 {BLOB}\n"


def test_what_else_stands_there_stays_and_so_does_the_mode(fleet: LocalFleet, known: Path) -> None:
    known.write_text(f"# ours\nweb-1 ssh-ed25519 {OTHER}\n@cert-authority *.net ssh-ed25519 {OTHER}\n")
    known.chmod(0o640)
    write(fleet.request(), [change("web-1", "web-1")])
    assert known.read_text() == f"# ours\nweb-1 ssh-ed25519 {BLOB}\n@cert-authority *.net ssh-ed25519 {OTHER}\n"
    assert known.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(fleet.folder)) == ["inventory.yaml", "known_hosts"]


def test_two_names_of_one_machine_are_written_once(fleet: LocalFleet, known: Path) -> None:
    write(fleet.request(), [change("web-1", "10.0.0.1"), change("web-2", "10.0.0.1")])
    assert known.read_text() == f"10.0.0.1 ssh-ed25519 {BLOB}\n"


def test_a_link_to_the_file_stays_a_link(fleet: LocalFleet, known: Path) -> None:
    (fleet.folder / "shared").mkdir()
    (fleet.folder / "shared" / "keys").write_text("# shared\n")
    known.symlink_to("shared/keys")
    write(fleet.request(), [change("web-1", "web-1")])
    assert known.is_symlink()
    assert (fleet.folder / "shared" / "keys").read_text() == f"# shared\nweb-1 ssh-ed25519 {BLOB}\n"


def test_a_place_named_in_the_inventory_is_made(fleet: LocalFleet) -> None:
    fleet.write("version: 1\nknown_hosts: keys/hosts\ntargets: {web-1: {}}\n")
    assert write(fleet.request(), [change("web-1", "web-1")]) == fleet.folder / "keys" / "hosts"
    assert (fleet.folder / "keys" / "hosts").read_text() == f"web-1 ssh-ed25519 {BLOB}\n"


def test_when_writing_fails_the_old_file_stands(
    fleet: LocalFleet, known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.write_text("# old\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("octo_ssh.operations.trust.os.fsync", full)
    with pytest.raises(FileErrors, match="known_hosts: cannot be written: No space left on device"):
        write(fleet.request(), [change("web-1", "web-1")])
    assert known.read_text() == "# old\n"
    assert sorted(os.listdir(fleet.folder)) == ["inventory.yaml", "known_hosts"]


def test_a_file_that_is_no_text_is_left_alone(fleet: LocalFleet, known: Path) -> None:
    known.write_bytes(b"\xff\xfe")
    with pytest.raises(FileErrors, match="it is no text"):
        write(fleet.request(), [change("web-1", "web-1")])
    assert known.read_bytes() == b"\xff\xfe"


def blob(fill: bytes, kind: bytes = b"ssh-ed25519") -> str:
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + fill * 32).decode()


ONE, TWO, OLD = (f"ssh-ed25519 {blob(fill)}" for fill in (b"1", b"2", b"3"))
FLEET = """
version: 1
defaults: {ssh_config: none}
targets:
  gate: {host: gate.net, port: 2222}
  web-1: {host: web-1.net, jump: gate}
  web-2: {host: web-2.net, jump: "x@hop.net"}
"""

FROM = {
    "a new key": (f"web-1.net {ONE}", "", ["web-1"], [("web-1", "new")]),
    "a key that is held": (f"web-1.net {ONE}", f"web-1.net {ONE}", ["web-1"], [("web-1", "known")]),
    "a key that contradicts": (f"web-1.net {ONE}", f"web-1.net {OLD}", ["web-1"], [("web-1", "changed")]),
    "none for a target that is held": (f"other {ONE}", f"web-1.net {ONE}", ["web-1"], [("web-1", "known")]),
    "none for a target that is not": (f"other {ONE}", "", ["web-1"], [("web-1", "missing")]),
    "only the selected": (f"web-1.net {ONE}\n[gate.net]:2222 {TWO}", "", ["gate"], [("gate", "new")]),
    "the jump host before it": (
        f"web-1.net {ONE}\n[gate.net]:2222 {TWO}",
        "",
        ["web-1"],
        [("gate", "new"), ("web-1", "new")],
    ),
    "a jump host that is no target": (
        f"web-2.net {ONE}\nhop.net {TWO}",
        "",
        ["web-2"],
        [("hop.net", "new"), ("web-2", "new")],
    ),
    "a port that is another": (f"gate.net {ONE}", "", ["gate"], [("gate", "missing")]),
    "a key that the file revokes": (f"web-1.net {ONE}\n@revoked * {ONE}", "", ["web-1"], [("web-1", "missing")]),
    "an authority": (f"@cert-authority *.net {ONE}", "", ["web-1"], [("web-1", "missing")]),
    "a kind that is not used": (f"web-1.net ssh-dss {blob(b'1', b'ssh-dss')}", "", ["web-1"], [("web-1", "missing")]),
    "what ssh-keyscan prints": (f"# web-1.net:22 SSH-2.0-x\nweb-1.net {ONE}\n", "", ["web-1"], [("web-1", "new")]),
}


def read(fleet: LocalFleet, path: str) -> None:
    asyncio.run(collected(fleet.request(), path))


def standing(row: KeyChange) -> str:
    if not row.offered:
        assert "holds none for" in row.reason
        return "missing"
    if row.is_changed:
        return "changed"
    return "new" if row.lines else "known"


@pytest.mark.parametrize(("lines", "held", "selector", "expected"), FROM.values(), ids=FROM)
def test_a_file_of_keys_is_weighed_against_what_is_held(
    fleet: LocalFleet, known: Path, lines: str, held: str, selector: list[str], expected: list[tuple[str, str]]
) -> None:
    fleet.write(FLEET)
    known.write_text(held)
    (fleet.folder / "from").write_text(lines)
    found = asyncio.run(collected(fleet.request(*selector), str(fleet.folder / "from")))
    assert [(row.target, standing(row)) for row in found] == expected
    assert known.read_text() == held


def test_a_line_of_the_file_that_cannot_be_read_is_named(fleet: LocalFleet) -> None:
    (fleet.folder / "from").write_text(f"web-1 {ONE}\nweb-2 ssh-ed25519\n")
    with pytest.raises(FileErrors, match="from:2:1: "):
        read(fleet, str(fleet.folder / "from"))
    (fleet.folder / "from").write_bytes(b"\xff")
    with pytest.raises(FileErrors, match="from: cannot be read: it is no text"):
        read(fleet, str(fleet.folder / "from"))
    with pytest.raises(UsageError, match="there is no file '/nope'"):
        read(fleet, "/nope")
