"""``plan --out`` and ``apply FILE``: that, or nothing."""

from __future__ import annotations

import os
import stat

import pytest

from tests.integration.farm import Farm

PLAN = """
- name: File
  file: ~/conf
  content: "greeting=${{ greeting }}\\n"
- name: Deploy
  package: shop
- name: Say
  run: echo "$greeting"
"""


@pytest.fixture
def saved(farm: Farm) -> Farm:
    farm.write_release({"a": "one"})
    farm.write_plan(PLAN, variables={"greeting": "hello"})
    told = farm.octo("plan", "plan.yaml", "--out", "saved.plan")
    assert told.code == 0, told.stderr
    return farm


def test_a_saved_plan_is_applied_as_it_was_made(saved: Farm) -> None:
    assert stat.S_IMODE((saved.folder / "saved.plan").stat().st_mode) == 0o600
    told = saved.octo("apply", "saved.plan", "--json")
    assert told.code == 0, told.stderr
    assert set(told.ends.values()) == {"changed"}
    assert (saved.home() / "conf").read_text() == "greeting=hello\n"
    again = saved.octo("apply", "saved.plan", "--json")
    assert again.code == 5  # it was applied, so the targets are others now
    assert "not as when this plan was made" in again.stderr


def test_its_words_are_kept_wherever_it_is_applied(farm: Farm) -> None:
    farm.write_release({"a": "one"})
    farm.write_plan(PLAN, variables={"greeting": "hello"})
    words = ("--limit", "web-1", "--release", "2.0", "--var", "greeting=bye", "--skip-step", "Say")
    assert farm.octo("plan", "plan.yaml", *words, "--out", "saved.plan").code == 0
    (farm.folder / "elsewhere").mkdir()
    os.rename(farm.folder / "saved.plan", farm.folder / "elsewhere/saved.plan")
    told = farm.octo("apply", "elsewhere/saved.plan", "--json")
    assert told.code == 0, told.stderr
    assert set(told.ends) == {"web-1"}
    assert told.outcome("say") == {"web-1": "skipped"}
    assert (farm.current(), (farm.home() / "conf").read_text()) == ("2.0", "greeting=bye\n")


def test_a_target_that_changed_since_is_refused_by_name(saved: Farm) -> None:
    (saved.home("web-2") / "conf").write_text("somebody was here\n")
    told = saved.octo("apply", "saved.plan", "--json")
    assert told.code == 5
    assert "web-2 is not as when this plan was made" in told.stderr
    assert not (saved.home() / "conf").exists()
    assert not saved.is_locked()


@pytest.mark.parametrize("what", ["plan.yaml", "release/a"])
def test_files_that_changed_since_are_refused(saved: Farm, what: str) -> None:
    path = saved.folder / what
    path.write_text(path.read_text().replace("hello", "bye").replace("one", "two"))
    told = saved.octo("apply", "saved.plan", "--json")
    assert told.code == 5
    assert "not as when this plan was made" in told.stderr
    assert ("plan.yaml changed" in told.stderr) == (what == "plan.yaml")


def test_words_beside_a_saved_plan_are_bad_usage(saved: Farm) -> None:
    told = saved.octo("apply", "saved.plan", "--limit", "web-1")
    assert told.code == 2
    assert "applied as it is" in told.stderr


@pytest.mark.parametrize("text", ['{"octo-ssh plan":1}', '{"octo-ssh plan":1', '{"octo-ssh plan":2,"x":1}'])
def test_a_damaged_one_is_told(farm: Farm, text: str) -> None:
    (farm.folder / "saved.plan").write_text(text)
    told = farm.octo("apply", "saved.plan")
    assert told.code == 2
    assert "saved.plan" in told.stderr


def test_a_secret_is_not_saved(farm: Farm) -> None:
    farm.write_plan(
        "- {name: Say, run: 'true', secrets: [token]}", packages="", variables={"token": {"secret": {"env": "TOKEN"}}}
    )
    told = farm.octo("plan", "plan.yaml", "--var", "token=hunter2hunter2", "--out", "saved.plan")
    assert told.code == 2
    assert "holds no secrets" in told.stderr
    assert not (farm.folder / "saved.plan").exists()
