"""Ways to log in: agent, passphrases, certificates, questions at a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from octo_ssh.errors import Position, Unreachable
from octo_ssh.model.inventory import Target
from octo_ssh.model.values import EnvSource, SecretRef
from octo_ssh.transport.known_hosts import host_name
from tests.conftest import MakeSshd
from tests.integration.sshd import Sshd, make_key
from tests.integration.transport import HERE, Answers, connector, home_of, known_hosts, reading, said, target_of

SOURCE = SecretRef(EnvSource("PASSPHRASE"), Position("inventory.yaml", 3, 5))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def let_in(sshd: Sshd, key: Path) -> None:
    sshd.authorized_keys.write_text(Path(f"{key}.pub").read_text())


@pytest.fixture
def locked(sshd: Sshd, tmp_path: Path) -> Path:
    """A key with a passphrase that the sshd takes."""
    key = make_key(tmp_path / "locked", passphrase="open sesame")
    let_in(sshd, key)
    return key


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real ssh-agent, empty."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed")
    path = tmp_path / "agent.sock"
    said = subprocess.run(["ssh-agent", "-a", str(path)], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    os.kill(int(said.split("SSH_AGENT_PID=")[1].split(";")[0]), signal.SIGTERM)


def lock(key: Path, passphrase: str, *options: str) -> None:
    """Give a key a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-p", *options, "-f", str(key), "-P", "", "-N", passphrase], check=True)


def add(key: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True)


@pytest.mark.parametrize("with_public", [True, False])
async def test_a_passphrase_comes_from_its_secret(with_public: bool, locked: Path, sshd: Sshd, tmp_path: Path) -> None:
    if not with_public:
        os.remove(f"{locked}.pub")
    target = target_of(sshd, identity=(str(locked),), identity_passphrase=SOURCE)
    known = known_hosts(tmp_path, sshd)
    assert await home_of(known, target, secrets={"PASSPHRASE": "open sesame"}) == str(sshd.home)
    with pytest.raises(Unreachable, match=r"another passphrase than its identity_passphrase \(environment variable"):
        await home_of(known, target, secrets={"PASSPHRASE": "wrong"})


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_a_pem_key_with_a_passphrase(kind: str, sshd: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "pem", kind=kind)
    lock(key, "secret", "-m", "PEM")
    let_in(sshd, key)
    target = target_of(sshd, identity=(str(key),))
    assert await home_of(known_hosts(tmp_path, sshd), target, prompter=Answers("secret")) == str(sshd.home)


async def test_a_passphrase_is_asked_once_for_all_targets(locked: Path, sshd: Sshd, tmp_path: Path) -> None:
    someone = Answers("wrong", "open sesame")
    target = target_of(sshd, identity=(str(locked),))
    async with connector(known_hosts(tmp_path, sshd), target, prompter=someone) as made:
        for _ in range(3):
            await made.connect(target)
    assert someone.questions == [f"Passphrase for {locked}: "] * 2


async def test_nobody_to_ask_for_a_passphrase_is_told(locked: Path, sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="has a passphrase and nobody can be asked: set identity_passphrase"):
        await home_of(known_hosts(tmp_path, sshd), target_of(sshd, identity=(str(locked),)))


async def test_nobody_is_asked_for_a_key_that_the_server_does_not_want(sshd: Sshd, tmp_path: Path) -> None:
    unwanted = make_key(tmp_path / "unwanted", passphrase="x y z")
    someone = Answers("x y z")
    target = target_of(sshd, identity=(str(unwanted), str(sshd.client_key)))
    assert await home_of(known_hosts(tmp_path, sshd), target, prompter=someone) == str(sshd.home)
    assert someone.questions == []


async def test_the_agents_keys_are_used(agent: Path, sshd: Sshd, tmp_path: Path) -> None:
    known = known_hosts(tmp_path, sshd)
    target = target_of(sshd, identity=())
    with pytest.raises(Unreachable, match="permission denied"):
        await home_of(known, target)
    add(sshd.client_key)
    assert await home_of(known, target) == str(sshd.home)


async def test_a_named_identity_may_lie_in_the_agent_and_others_are_not_offered(
    agent: Path, sshd: Sshd, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "mine", kind="rsa")
    let_in(sshd, key)
    add(key)
    for number in range(7):
        add(make_key(tmp_path / f"other-{number}"))
    lock(key, "unknown")
    known = known_hosts(tmp_path, sshd)
    assert await home_of(known, target_of(sshd, identity=(str(key),))) == str(sshd.home)
    assert await home_of(known, target_of(sshd, identity=(f"{key}.pub",))) == str(sshd.home)
    os.remove(key)
    assert await home_of(known, target_of(sshd, identity=(str(key),))) == str(sshd.home)
    os.remove(f"{key}.pub")
    with pytest.raises(Unreachable, match="mine is not there"):
        await home_of(known, target_of(sshd, identity=(str(key),)))


async def test_a_public_key_without_its_private_half_is_told(sshd: Sshd, tmp_path: Path) -> None:
    target = target_of(sshd, identity=(f"{sshd.client_key}.pub",))
    with pytest.raises(Unreachable, match=r"tried nothing; .*id_ed25519\.pub is no private key"):
        await home_of(known_hosts(tmp_path, sshd), target)


async def test_no_agent_at_its_socket_is_no_obstacle(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert await home_of(known_hosts(tmp_path, sshd), target_of(sshd)) == str(sshd.home)


def sign(authority: Path, key: Path, *options: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "me", *options, f"{key}.pub"], check=True)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_a_certificate_beside_the_key_is_used(kind: str, make_sshd: MakeSshd, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "ca")
    sshd = make_sshd(extra=f"TrustedUserCAKeys {authority}.pub\nAuthorizedKeysFile none")
    key = make_key(tmp_path / "mine", kind=kind)
    known, target = known_hosts(tmp_path, sshd), target_of(sshd, identity=(str(key),))
    with pytest.raises(Unreachable, match=f"tried {key}"):
        await home_of(known, target)
    sign(authority, key, "-n", sshd.user)
    assert await home_of(known, target) == str(sshd.home)


async def test_a_certificate_for_a_key_in_the_agent(agent: Path, make_sshd: MakeSshd, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "ca")
    sshd = make_sshd(extra=f"TrustedUserCAKeys {authority}.pub\nAuthorizedKeysFile none")
    key = make_key(tmp_path / "mine")
    add(key)
    sign(authority, key, "-n", sshd.user)
    lock(key, "unknown")
    assert await home_of(known_hosts(tmp_path, sshd), target_of(sshd, identity=(str(key),))) == str(sshd.home)


async def test_an_expired_certificate_is_no_way_in(make_sshd: MakeSshd, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "ca")
    sshd = make_sshd(extra=f"TrustedUserCAKeys {authority}.pub\nAuthorizedKeysFile none")
    key = make_key(tmp_path / "mine")
    sign(authority, key, "-n", sshd.user, "-V", "20200101:20200102")
    with pytest.raises(Unreachable, match=r"tried certificate of .*mine"):
        await home_of(known_hosts(tmp_path, sshd), target_of(sshd, identity=(str(key),)))


class _Asking(asyncssh.SSHServer):
    """Takes a password, or asks two questions, or wants a key and then a code."""

    def __init__(self, method: str) -> None:
        self._method = method

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._method == "password"

    def validate_password(self, username: str, password: str) -> bool:
        return password == "geheim"

    def kbdint_auth_supported(self) -> bool:
        return self._method == "keyboard-interactive"

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        return "", "Two \x1b[31mquestions", "", [("Password: ", False), ("Code: ", True)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return list(responses) == ["geheim", "123456"]


@contextlib.asynccontextmanager
async def asking(method: str, tmp_path: Path) -> AsyncIterator[tuple[Target, Path]]:
    """A server with such a login (a real sshd would need PAM), its target and known_hosts."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        lambda: _Asking(method), "127.0.0.1", 0, server_host_keys=[key], public_key_auth=False, config=None
    )
    port = server.get_port()
    known = tmp_path / "known_hosts"
    known.write_text(f"{host_name('127.0.0.1', port)} {key.export_public_key().decode()}")
    try:
        yield Target("web-01", HERE, host="127.0.0.1", port=port, user="deploy", ssh_config="none"), known
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("method", "answers", "questions"),
    [
        (
            "password",
            ("wrong", "geheim"),
            [
                "Password of deploy, for all targets that ask (web-01 (127.0.0.1:PORT) wants one; Enter for none): ",
                "Password of deploy, for all targets that ask (web-01 (127.0.0.1:PORT) refused it; Enter for none): ",
            ],
        ),
        (
            "keyboard-interactive",
            ("geheim", "123456"),
            [
                "web-01 (127.0.0.1:PORT): Two [31mquestions Password: ",
                "web-01 (127.0.0.1:PORT): Two [31mquestions Code: ",
            ],
        ),
    ],
)
async def test_somebody_at_a_terminal_is_asked(
    method: str, answers: tuple[str, ...], questions: list[str], tmp_path: Path
) -> None:
    someone = Answers(*answers)
    async with asking(method, tmp_path) as (target, known), connector(known, target, prompter=someone) as made:
        await made.connect(target)
    assert [question.replace(str(target.port), "PORT") for question in someone.questions] == questions


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
async def test_without_a_terminal_nobody_is_asked(method: str, tmp_path: Path) -> None:
    async with asking(method, tmp_path) as (target, known):
        with pytest.raises(Unreachable, match=rf"the server wants {method}; tried nothing\n.*asked on a terminal"):
            await home_of(known, target)


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
async def test_three_wrong_answers_are_enough(method: str, tmp_path: Path) -> None:
    someone = Answers(*["wrong"] * 20)
    async with asking(method, tmp_path) as (target, known):
        with pytest.raises(Unreachable, match="permission denied for deploy"):
            await home_of(known, target, prompter=someone)
    assert len(someone.questions) == (3 if method == "password" else 6)


@pytest.mark.parametrize(("answer", "logins"), [("geheim", 3), ("", 0)])
async def test_a_password_is_asked_once_for_all_targets(answer: str, logins: int, tmp_path: Path) -> None:
    someone = Answers(answer, "never asked for")
    async with asking("password", tmp_path) as (target, known), connector(known, target, prompter=someone) as made:
        ends = await asyncio.gather(*(made.connect(target) for _ in range(3)), return_exceptions=True)
    assert sum(not isinstance(end, Exception) for end in ends) == logins
    assert len(someone.questions) == 1


async def test_agent_forwarding_is_never_asked_for(agent: Path, make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="AllowAgentForwarding yes")
    config = tmp_path / "config"
    config.write_text("Host *\n  ForwardAgent yes\n")
    target = replace(target_of(sshd), ssh_config=str(config))
    async with connector(known_hosts(tmp_path, sshd), target) as made:
        session = await made.connect(target)
        assert said(await session.observe(reading('printf "[%s]" "${SSH_AUTH_SOCK-}"'))) == "[]"
