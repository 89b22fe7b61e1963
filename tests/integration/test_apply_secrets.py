"""Secrets that turn out wrong only when they are read: a step fails with a sentence, no release stays half done."""

from __future__ import annotations

from tests.integration.farm import Farm


def test_a_template_that_fails_on_the_very_secret_fails_its_step_and_shows_no_value(farm: Farm) -> None:
    farm.env["WORD"] = "abcdefgh"
    farm.write_plan(
        "[{name: Use, env: {THIRD: \"${{ word.split('-')[2] }}\"}, run: echo}]",
        packages="",
        variables={"word": {"secret": {"env": "WORD"}}},
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("use")) == (1, {"web-1": "failed"})
    assert "plan.yaml:" in told.reason("use")
    assert "abcdefgh" not in told.stdout + told.stderr


def test_a_release_whose_activate_lacks_its_secret_goes_back(farm: Farm) -> None:
    steps = """
    - name: Deploy
      package: shop
      secrets: [token]
      activate: readlink "$OCTO_RELEASE_DIR/../../current" >>~/activated
    """
    source = farm.write("token", "#!/bin/sh\necho s3cr3t-t0ken\n", mode=0o755)
    variables = {"token": {"secret": {"command": [str(source)]}}}
    farm.write_release({"app": "1"})
    farm.write_plan(steps, variables=variables)
    assert farm.apply("--limit", "web-1").code == 0
    farm.write("token", "#!/bin/sh\nexit 7\n", mode=0o755)
    farm.write_release({"app": "2"})
    farm.write_plan(steps, variables=variables, release="1.1")
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.ends) == (1, {"web-1": "failed"})
    assert "ended with status 7" in told.reason("deploy")
    assert farm.current() == "1.0"
