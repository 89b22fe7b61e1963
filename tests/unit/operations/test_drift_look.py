"""What a check looks at beyond what the plan leads to, and as whom; what cannot be exported to a command that looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.errors import FileErrors
from octo_ssh.model.observed import Baseline, FileBaseline, FileRequest, PackageBaseline, ServiceBaseline
from octo_ssh.model.values import Secret, Template
from octo_ssh.model.work import LateText
from octo_ssh.operations.drift_look import Users, _left
from octo_ssh.operations.resources import environment
from octo_ssh.remote.drift import DriftAsk, PlaceAsk
from tests.unit.planning.builders import HERE, observed

LEFT = Baseline(
    "1.0",
    {"deploy": PackageBaseline("/srv/shop", "1.0", "", "", user="app")},
    files={"conf": FileBaseline("/etc/shop", True), "key": FileBaseline("/etc/key", True, user="root")},
    services={"web": ServiceBaseline("web", user="root"), "job": ServiceBaseline("job")},
)


def test_what_the_plan_has_no_more_is_looked_at_by_who_brought_it() -> None:
    assert _left(observed(baseline=LEFT), {}, quick=False) == {
        "app": DriftAsk((PlaceAsk("deploy", "/srv/shop"),)),
        None: DriftAsk(files=(FileRequest("conf", "/etc/shop"),), services={"job": "job"}),
        "root": DriftAsk(files=(FileRequest("key", "/etc/key"),), services={"web": "web"}),
    }


def test_what_was_looked_at_or_could_not_be_is_not_looked_at_again() -> None:
    asked: Users = {"root": DriftAsk(services={"web": "web", "job": "another"})}
    seen = replace(observed(baseline=replace(LEFT, packages={}, files={})), closed={"job": "sudo refused"})
    assert _left(seen, asked, quick=False) == {}
    assert _left(replace(seen, closed={}), asked, quick=False) == {None: DriftAsk(services={"job": "job"})}


def test_a_template_that_fails_where_nobody_has_said_anything_is_a_mistake_in_a_file() -> None:
    late = LateText(Template("${{ steps.make.output.url }}", HERE), {}, ("make",))
    with pytest.raises(FileErrors) as raised:
        environment({"URL": late}, lambda ref: Secret("never"))
    assert raised.value.problems[0].position == HERE
