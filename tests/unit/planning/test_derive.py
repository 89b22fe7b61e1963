"""What the controller can tell by itself of release folders and files, without a secret."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.plan import FileSettings, PackageStep, SecretContent, SourceContent, Step
from octo_ssh.model.values import EnvSource, Prompt, SecretRef, Template
from octo_ssh.planning.configure import configure
from octo_ssh.planning.derive import Derived, Deriver, Underivable
from octo_ssh.planning.wanted import Wanted
from tests.unit.planning.builders import HERE, file, loaded, package, tree_of

TEXTS = {
    "etc/app.conf": b"level = ${{ level }}\n",
    "etc/secret.conf": b"token = ${{ token }}\n",
    "etc/both.conf": b"${{ 'set' if token else 'unset' }}\n",
}
PACKAGE = tree_of({"bin/app": "app", **{path: text.decode() for path, text in TEXTS.items()}})
TOKEN = SecretRef(EnvSource("NOT_SET_ANYWHERE"), HERE)
VARIABLES = {"level": "warning", "token": TOKEN}
STEP = package(configure=("etc/*.conf",), shared=("var/up",))


def derive(step: Step = STEP, variables: Any = None, texts: dict[str, bytes] | None = None) -> Derived | Underivable:
    deriver = Deriver(loaded(step, variables=VARIABLES if variables is None else variables))
    return deriver.package(step, "web-1", PACKAGE, TEXTS if texts is None else texts)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_files_without_a_secret_are_configured_and_others_left_out_with_the_reason() -> None:
    found = derive()
    assert isinstance(found, Derived)
    entry = found.manifest.entries["etc/app.conf"]
    assert (entry.sha256, entry.size) == (sha256("level = warning\n"), 16)
    assert found.unverified == {"etc/secret.conf": "it holds a secret", "etc/both.conf": "it holds a secret"}
    assert found.manifest.entries["var/up"].kind is Kind.LINK


def test_it_is_what_a_run_would_configure() -> None:
    clear = {"etc/app.conf": TEXTS["etc/app.conf"]}
    step = package(configure=("etc/app.conf",), shared=("var/up",))
    found = derive(step, texts=clear)
    made = loaded(step, variables=VARIABLES)
    run = configure(PACKAGE, clear, step, made.scopes.names(target="web-1", step=step), made.secrets)
    assert isinstance(found, Derived)
    assert (found.manifest.sha256, found.unverified) == (run.manifest.sha256, {})


def test_what_nobody_answered_and_what_is_not_defined_is_left_out_with_the_reason() -> None:
    asked = Prompt("Which level?", None, has_default=False, secret=False, position=HERE)
    for variables in ({"level": asked}, {}):
        found = derive(variables=variables, texts={"etc/app.conf": TEXTS["etc/app.conf"]})
        assert isinstance(found, Derived)
        assert list(found.unverified) == ["etc/app.conf"]
        assert "level" in found.unverified["etc/app.conf"]


def with_settings(path: str) -> Step:
    settings = FileSettings(path, {"a": 1}, HERE)
    return replace(STEP, kind=PackageStep("shop", settings=(settings,)))


def test_values_that_cannot_be_set_leave_their_file_out() -> None:
    found = derive(with_settings("etc/app.conf"), texts={"etc/app.conf": b"no structure"})
    assert isinstance(found, Derived)
    assert found.unverified == {"etc/app.conf": "values cannot be set in it"}


def test_a_malformed_file_is_left_out() -> None:
    held = tree_of({"app.json": "{"})
    deriver = Deriver(loaded(STEP))
    found = deriver.package(with_settings("app.json"), "web-1", held, {"app.json": b"{"})
    assert isinstance(found, Derived)
    assert list(found.unverified) == ["app.json"]


def test_shared_paths_that_do_not_fit_the_package_make_it_underivable() -> None:
    found = derive(package(shared=("bin/app/below",)))
    assert isinstance(found, Underivable)
    assert "bin/app" in found.reason


def test_targets_that_are_configured_alike_share_one_manifest() -> None:
    made = loaded(STEP, variables={"level": Template("${{ 'x' if target == 'web-3' else 'y' }}", HERE)})
    deriver = Deriver(made)
    texts = {"etc/app.conf": TEXTS["etc/app.conf"]}
    one, two, other = (deriver.package(STEP, name, PACKAGE, texts) for name in ("web-1", "web-2", "web-3"))
    assert one is two
    assert isinstance(one, Derived)
    assert isinstance(other, Derived)
    assert one.manifest.sha256 != other.manifest.sha256


def test_which_files_must_be_read_and_a_pattern_for_nothing_is_no_matter() -> None:
    settings = (FileSettings("etc/both.conf", {}, HERE),)
    step = replace(STEP, kind=PackageStep("shop", configure=("etc/a*.conf", "nothing/*"), settings=settings))
    assert Deriver(loaded(step)).paths(step, PACKAGE) == ("etc/app.conf", "etc/both.conf")
    assert Deriver(loaded(step)).paths(step, Manifest()) == ()


def test_files_are_told_or_it_is_told_why_not(tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("hello\n")
    steps = (
        file("plain", Template("level = ${{ level }}\n", HERE), mode=0o600),
        file("absent", None),
        file("source", SourceContent(str(tmp_path / "motd"))),
        file("lost", SourceContent(str(tmp_path / "lost"))),
        file("secret", Template("${{ token }}", HERE)),
        file("whole", SecretContent(TOKEN)),
        file("late", Template("${{ steps.plain.output.x }}", HERE)),
        file("late_secret", Template("${{ steps.plain.output.x }}${{ token }}", HERE)),
        file("unknown", Template("${{ nobody }}", HERE)),
    )
    found = Deriver(loaded(*steps, variables=VARIABLES)).files("web-1", steps)
    known = {name: one.file for name, one in found.items() if isinstance(one, Wanted)}
    assert known["absent"] is None
    assert {name: one.sha256 for name, one in known.items() if one is not None} == {
        "plain": sha256("level = warning\n"),
        "source": sha256("hello\n"),
    }
    reasons = {name: one.reason for name, one in found.items() if isinstance(one, Underivable)}
    assert reasons["secret"] == reasons["whole"] == reasons["late_secret"] == "it holds a secret"
    assert reasons["late"] == "its content depends on outputs of steps"
    assert "lost" in reasons["lost"]
    assert "nobody" in reasons["unknown"]
