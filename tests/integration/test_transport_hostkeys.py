"""Which host keys are taken and which refused, against real sshds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from octo_ssh.errors import FileErrors, HostKeyRefused
from octo_ssh.transport.hostkeys import fetch_host_keys, updated
from octo_ssh.transport.known_hosts import fingerprint, hashed, parse
from tests.conftest import MakeSshd
from tests.integration.sshd import Sshd, make_key
from tests.integration.transport import connector, home_of, known_hosts, target_of


def print_of(public_key: str) -> str:
    return parse(f"x {public_key}", "").keys[0].fingerprint


def other_key(folder: Path, kind: str = "ed25519") -> str:
    """A public key that is not the sshd's."""
    path = folder / f"other-{kind}"
    if not path.exists():
        make_key(path, kind=kind)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


@dataclass(frozen=True)
class Case:
    """A known_hosts file, and what comes of it: None for a login, else words of the refusal."""

    lines: Callable[[Sshd, str], str]
    refused: tuple[str, ...] | None
    changed: bool = False


def at(sshd: Sshd) -> str:
    return f"[{sshd.host}]:{sshd.port}"


TABLE = {
    "its line": Case(lambda s, other: f"{at(s)} {s.host_public_key}", None),
    "among names and comments": Case(
        lambda s, other: f"# ours\n\nweb-01,{at(s)},10.0.0.1 {s.host_public_key} a comment\n", None
    ),
    "a hashed name": Case(lambda s, other: f"{hashed(at(s))} {s.host_public_key}", None),
    "a wildcard": Case(lambda s, other: f"[127.0.0.*]:* {s.host_public_key}", None),
    "the host without its port": Case(lambda s, other: f"127.0.0.1 {s.host_public_key}", None),
    "one of two keys of a kind": Case(lambda s, other: f"{at(s)} {other}\n{at(s)} {s.host_public_key}", None),
    "nothing": Case(lambda s, other: "", ("is unknown", "octo-ssh trust web-01")),
    "another host only": Case(lambda s, other: f"10.9.9.9 {s.host_public_key}", ("is unknown",)),
    "another port": Case(lambda s, other: f"[127.0.0.1]:1 {s.host_public_key}", ("is unknown",)),
    "a hashed name of another host": Case(lambda s, other: f"{hashed('other')} {s.host_public_key}", ("is unknown",)),
    "excluded by negation": Case(lambda s, other: f"[127.*]:*,!{at(s)} {s.host_public_key}", ("is unknown",)),
    "another key": Case(
        lambda s, other: f"# old\n{at(s)} {other}", ("HAS CHANGED", "known_hosts:2", "octo-ssh trust web-01"), True
    ),
    "another key, the right one without port": Case(
        lambda s, other: f"{at(s)} {other}\n127.0.0.1 {s.host_public_key}", ("HAS CHANGED",), True
    ),
    "another key without port": Case(lambda s, other: f"127.0.0.1 {other}", ("is unknown",)),
    "revoked": Case(
        lambda s, other: f"{at(s)} {s.host_public_key}\n@revoked * {s.host_public_key}",
        ("REVOKED", "known_hosts:2"),
        True,
    ),
    "another authority": Case(lambda s, other: f"@cert-authority * {other}", ("is unknown",)),
    "its own key as authority": Case(lambda s, other: f"@cert-authority * {s.host_public_key}", ("is unknown",)),
}


@pytest.mark.parametrize("name", TABLE)
async def test_only_what_known_hosts_says_of_that_name_is_trusted(name: str, sshd: Sshd, tmp_path: Path) -> None:
    case = TABLE[name]
    known = tmp_path / "known_hosts"
    known.write_text(case.lines(sshd, other_key(tmp_path)))
    target = target_of(sshd)
    if case.refused is None:
        assert await home_of(known, target) == str(sshd.home)
        return
    with pytest.raises(HostKeyRefused) as caught:
        await home_of(known, target)
    assert [words for words in case.refused if words not in str(caught.value)] == []
    assert print_of(sshd.host_public_key) in str(caught.value)
    assert caught.value.changed is case.changed


async def test_another_kind_of_key_with_the_port_outweighs_the_right_one_without(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{at(sshd)} {other_key(tmp_path, 'ecdsa')}\n127.0.0.1 {sshd.host_public_key}\n")
    options = {"UserKnownHostsFile": known, "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "yes"}
    command = ["ssh", "-F", "none", "-p", str(sshd.port), *(f"-o{name}={value}" for name, value in options.items())]
    openssh = subprocess.run([*command, sshd.host, "true"], capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert "has changed" in openssh.stderr
    with pytest.raises(HostKeyRefused, match="HAS CHANGED"):
        await home_of(known, target_of(sshd))


async def test_a_changed_key_shows_both_fingerprints(sshd: Sshd, tmp_path: Path) -> None:
    known = known_hosts(tmp_path, sshd)
    old = print_of(sshd.host_public_key)
    sshd.renew_host_key()
    sshd.restart()
    with pytest.raises(HostKeyRefused) as caught:
        await home_of(known, target_of(sshd))
    assert old in str(caught.value)
    assert print_of(sshd.host_public_key) in str(caught.value)


async def test_no_known_hosts_file_is_an_empty_one(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused, match="is unknown"):
        await home_of(tmp_path / "none", target_of(sshd))


async def test_a_damaged_line_is_named(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{sshd.known_hosts_line}web-02 ssh-ed25519 AAAA\nweb-03 ssh-rsa\n")
    with pytest.raises(FileErrors) as caught:
        await home_of(known, target_of(sshd))
    assert [problem.position.line for problem in caught.value.problems] == [2, 3]


async def test_host_key_narrows_to_one_known_key(sshd: Sshd, tmp_path: Path) -> None:
    known = known_hosts(tmp_path, sshd)
    right = print_of(sshd.host_public_key)
    assert await home_of(known, target_of(sshd, host_key=right)) == str(sshd.home)
    wrong = print_of(other_key(tmp_path))
    with pytest.raises(HostKeyRefused, match="but its host_key in the inventory says") as caught:
        await home_of(known, target_of(sshd, host_key=wrong))
    assert caught.value.changed
    known.write_text("")
    with pytest.raises(HostKeyRefused, match="is unknown"):
        await home_of(known, target_of(sshd, host_key=right))


@pytest.fixture
def three_keys(make_sshd: MakeSshd, tmp_path: Path) -> tuple[Sshd, dict[str, str]]:
    """An sshd with an ed25519, an ECDSA and an RSA key, and these keys."""
    extra = []
    keys = {}
    for kind in ("ecdsa", "rsa"):
        path = make_key(tmp_path / f"host-{kind}", kind=kind)
        extra.append(f"HostKey {path}")
        keys[kind] = " ".join(path.with_suffix(".pub").read_text().split()[:2])
    sshd = make_sshd(extra="\n".join(extra))
    keys["ed25519"] = sshd.host_public_key
    return sshd, keys


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_the_kind_of_key_that_is_known_is_asked_for(
    kind: str, three_keys: tuple[Sshd, dict[str, str]], tmp_path: Path
) -> None:
    sshd, keys = three_keys
    known = tmp_path / "known_hosts"
    known.write_text(f"{at(sshd)} {keys[kind]}\n")
    assert await home_of(known, target_of(sshd)) == str(sshd.home)


async def test_another_kind_than_the_known_one_is_a_change(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{at(sshd)} {other_key(tmp_path, 'rsa')}\n")
    with pytest.raises(HostKeyRefused, match="HAS CHANGED") as caught:
        await home_of(known, target_of(sshd))
    assert caught.value.changed


def certify(sshd: Sshd, authority: Path, principals: str, *options: str) -> None:
    """Let the sshd show a certificate."""
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority), "-I", "host", "-h", "-n", principals, *options,
         str(sshd.host_key.with_suffix(".pub"))],
        check=True,
    )  # fmt: skip
    sshd.configure(f"HostCertificate {sshd.host_key}-cert.pub")
    sshd.restart()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, str]:
    path = make_key(tmp_path / "ca")
    return path, " ".join(path.with_suffix(".pub").read_text().split()[:2])


async def test_a_certificate_of_a_known_authority_is_trusted(
    sshd: Sshd, tmp_path: Path, authority: tuple[Path, str]
) -> None:
    certify(sshd, authority[0], "127.0.0.1,web-01")
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority [127.0.0.1]:* {authority[1]}\n")
    assert await home_of(known, target_of(sshd)) == str(sshd.home)
    known.write_text(f"@cert-authority * {authority[1]}\n@revoked * {authority[1]}\n")
    with pytest.raises(HostKeyRefused, match=r"(?i)revoked"):
        await home_of(known, target_of(sshd))
    known.write_text(f"@cert-authority * {authority[1]}\n@revoked * {sshd.host_public_key}\n")
    with pytest.raises(HostKeyRefused, match=r"(?i)revoked"):
        await home_of(known, target_of(sshd))


@pytest.mark.parametrize(
    ("principals", "options", "words"),
    [("other.example.net", (), "principal"), ("127.0.0.1", ("-V", "20200101:20200102"), "expired")],
)
async def test_a_certificate_for_another_name_or_time_is_refused(
    sshd: Sshd, tmp_path: Path, authority: tuple[Path, str], principals: str, options: tuple[str, ...], words: str
) -> None:
    certify(sshd, authority[0], principals, *options)
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority * {authority[1]}\n")
    with pytest.raises(HostKeyRefused, match=f"(?i)certificate.*{words}"):
        await home_of(known, target_of(sshd))


async def test_a_certificate_of_another_authority_falls_back_to_the_known_key(
    sshd: Sshd, tmp_path: Path, authority: tuple[Path, str]
) -> None:
    certify(sshd, authority[0], "127.0.0.1")
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority * {other_key(tmp_path)}\n{sshd.known_hosts_line}")
    assert await home_of(known, target_of(sshd)) == str(sshd.home)


async def test_an_alias_is_what_is_looked_up(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host web-01\n  HostKeyAlias front\n")
    known = tmp_path / "known_hosts"
    known.write_text(f"front {sshd.host_public_key}\n")
    assert await home_of(known, target_of(sshd, ssh_config=str(config))) == str(sshd.home)
    known.write_text(sshd.known_hosts_line)
    with pytest.raises(HostKeyRefused, match="is unknown"):
        await home_of(known, target_of(sshd, ssh_config=str(config)))


async def test_what_ssh_config_says_of_host_keys_is_not_listened_to(sshd: Sshd, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(sshd.known_hosts_line)
    config = tmp_path / "config"
    config.write_text(
        f"Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile {elsewhere}\n  GlobalKnownHostsFile {elsewhere}\n"
        "  VerifyHostKeyDNS yes\n  UpdateHostKeys yes\n"
    )
    with pytest.raises(HostKeyRefused, match="is unknown"):
        await home_of(tmp_path / "none", target_of(sshd, ssh_config=str(config)))


async def test_trust_shows_every_key_of_a_new_target_and_then_it_is_trusted(
    three_keys: tuple[Sshd, dict[str, str]], tmp_path: Path
) -> None:
    sshd, keys = three_keys
    known = tmp_path / "known_hosts"
    target = target_of(sshd)
    async with connector(known, target) as made:
        change = await fetch_host_keys(target, made)
    assert change.is_new
    assert not change.is_changed
    assert set(change.offered.values()) == {print_of(key) for key in keys.values()}
    assert change.address == at(sshd)
    known.write_text(updated("", [change]))
    assert await home_of(known, target) == str(sshd.home)
    async with connector(known, target) as made:
        again = await fetch_host_keys(target, made)
    assert (again.lines, again.is_new, again.is_changed) == ((), False, False)


async def test_trust_shows_a_change_and_replaces_the_line_in_its_place(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"# first\n{sshd.known_hosts_line}other ssh-ed25519 {sshd.host_public_key.split()[1]}\n")
    before = known.read_text().splitlines()
    sshd.renew_host_key()
    sshd.restart()
    target = target_of(sshd)
    async with connector(known, target) as made:
        change = await fetch_host_keys(target, made)
    assert change.is_changed
    after = updated(known.read_text(), [change]).splitlines()
    assert after == [before[0], f"{at(sshd)} {sshd.host_public_key}", before[2]]


async def test_trust_leaves_a_target_alone_whose_certificate_is_trusted(
    sshd: Sshd, tmp_path: Path, authority: tuple[Path, str]
) -> None:
    certify(sshd, authority[0], "127.0.0.1")
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority * {authority[1]}\n")
    target = target_of(sshd)
    async with connector(known, target) as made:
        change = await fetch_host_keys(target, made)
    assert (change.lines, change.is_new, change.is_changed, change.reason) == ((), False, False, "")
    assert set(change.offered.values()) == {print_of(authority[1])}


async def test_trust_says_why_no_key_could_be_fetched(sshd: Sshd, tmp_path: Path) -> None:
    sshd.stop()
    target = target_of(sshd)
    async with connector(tmp_path / "none", target) as made:
        change = await fetch_host_keys(target, made)
    assert "refused the connection" in change.reason
    assert not change.offered


def test_a_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    path = make_key(tmp_path / "key")
    printed = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True, check=True).stdout
    key = parse(f"x {path.with_suffix('.pub').read_text()}", "").keys[0]
    assert fingerprint(key.blob) == printed.split()[1]
