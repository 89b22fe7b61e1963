"""What a plan says of the insides of its packages."""

from __future__ import annotations

import pytest

from octo_ssh.errors import Position
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.plan import FileSettings, GroupStep, PackageScript, PackageStep, ReleasePlan, RunStep, StepKind
from octo_ssh.planning.contents import content_problems
from tests.unit.planning.builders import step

MANIFEST = Manifest(
    {
        entry.path: entry
        for entry in (
            Entry("bin", Kind.DIR, 0o755),
            Entry("bin/app", Kind.FILE, 0o755, 1, "a" * 64),
            Entry("bin/data", Kind.FILE, 0o644, 1, "b" * 64),
            Entry("bin/also", Kind.LINK, target="app"),
            Entry("app.conf", Kind.FILE, 0o644, 1, "c" * 64),
            Entry("app.json", Kind.FILE, 0o644, 1, "d" * 64),
        )
    }
)


def problems(*kinds: StepKind) -> list[str]:
    steps = tuple(step(f"s{number}", kind) for number, kind in enumerate(kinds))
    plan = ReleasePlan("plan.yaml", "shop", "1.0", "inventory.yaml", None, steps)
    found = content_problems(plan, {"shop": MANIFEST})
    assert all(problem.position == Position("plan.yaml", 1, 1) for problem in found)
    return [problem.message for problem in found]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (RunStep(PackageScript("shop", "bin/ap")), "holds no 'bin/ap' (did you mean 'bin/app'?)"),
        (RunStep(PackageScript("shop", "x")), "holds no 'x': check the path"),
        (RunStep(PackageScript("shop", "bin")), "'bin' in the package 'shop' is a folder"),
        (RunStep(PackageScript("shop", "bin/data")), "'bin/data' in the package 'shop' is not executable"),
        (PackageStep("shop", configure=("*.conf", "*.ini")), "no file of the package matches '*.ini'"),
    ],
)
def test_what_is_not_there_is_a_mistake_of_the_plan(kind: StepKind, said: str) -> None:
    (message,) = problems(kind)
    assert said in message


def test_what_is_there_is_none() -> None:
    assert not problems(
        RunStep(PackageScript("shop", "bin/app")),
        RunStep(PackageScript("shop", "bin/also")),
        PackageStep("shop", configure=("*.conf", "bin/*")),
    )


def test_all_mistakes_are_found_in_groups_too() -> None:
    inner = step("inner", RunStep(PackageScript("shop", "nope")))
    assert len(problems(GroupStep((inner,)), PackageStep("shop", configure=("a", "b")))) == 3


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("*.yaml", "no file of the package matches '*.yaml'"),
        ("app.*", "set: values can be set in files that end in .json, .yaml, .yml, .properties, and not in 'app.conf'"),
    ],
)
def test_values_are_set_only_in_structured_files_that_are_there(pattern: str, said: str) -> None:
    settings = FileSettings(pattern, {"a": 1}, Position("plan.yaml", 9, 5))
    plan = ReleasePlan(
        "plan.yaml", "shop", "1", "i.yaml", None, (step("s", PackageStep("shop", settings=(settings,))),)
    )
    (problem,) = content_problems(plan, {"shop": MANIFEST})
    assert problem.position == Position("plan.yaml", 9, 5)
    assert problem.message.startswith(("configure: " + said, said))


def test_values_may_be_set_in_a_structured_file() -> None:
    assert not problems(PackageStep("shop", settings=(FileSettings("*.json", {"a": 1}, Position("plan.yaml")),)))


def test_packages_that_this_run_does_not_use_are_not_looked_into() -> None:
    assert problems(PackageStep("other", configure=("no/such",)), RunStep(PackageScript("other", "x"))) == []
