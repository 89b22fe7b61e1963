"""known_hosts, written only as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from octo_ssh.errors import FileErrors
from octo_ssh.model.reports import KeyChange
from octo_ssh.operations.trust import write
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
