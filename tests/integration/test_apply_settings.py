"""Values set in structured files of a package, and secrets of age, on real targets."""

from __future__ import annotations

import json

from octo_ssh.config.age import encrypt, new_identity
from tests.integration.farm import Farm

SETTING = """
- name: Deploy
  package: shop
  configure:
    files: ["config/*.json"]
    set:
      config/app.json: {"Logging:Level": "${{ level }}", "Hosts:0:Port": "${{ port }}", Token: "${{ token }}"}
      config/app.yml: {log.level: debug, hosts: [a, b]}
      config/app.properties: {"db.url": "db://${{ target }}"}
"""
FILES = {
    "config/app.json": '{\n  // kept\n  "At": "${{ target }}", "Logging": {"Level": ""},\n'
    '  "Hosts": [{"Port": 1}], "Token": null\n}\n',
    "config/app.yml": "log.level: info # kept\nhosts:\n- x\n",
    "config/app.properties": "! kept\ndb.url: none\n",
}


def test_values_are_set_for_each_target_and_a_secret_of_age_goes_only_into_the_file(farm: Farm) -> None:
    key, recipient = new_identity()
    identity = farm.folder / "controller/.config/octo-ssh/age.key"
    identity.parent.mkdir(parents=True)
    identity.write_text(key)
    identity.chmod(0o600)
    farm.write_inventory({"web-2": {"variables": {"port": 9000}}}, variables={"port": 8000})
    farm.write_release(FILES)
    secret = {"secret": {"age": encrypt(b"hunter2hunter2\n", [recipient])}}
    farm.write_plan(SETTING, variables={"token": secret, "level": "Warn"})
    told = farm.apply("-vv")
    assert told.code == 0, told.stderr
    for name, port in (("web-1", 8000), ("web-2", 9000)):
        config = farm.to(name) / "current/config"
        assert (config / "app.json").read_text() == (
            f'{{\n  // kept\n  "At": "{name}", "Logging": {{"Level": "Warn"}},\n'
            f'  "Hosts": [{{"Port": {port}}}], "Token": "hunter2hunter2"\n}}\n'
        )
        assert (config / "app.yml").read_text() == 'log.level: debug # kept\nhosts: ["a", "b"]\n'
        assert (config / "app.properties").read_text() == f"! kept\ndb.url: db\\://{name}\n"
        kept = [path for path in farm.root(name).rglob("*") if path.is_file() and path.name != "app.json"]
        assert {"journal.jsonl", "1.0.json"} <= {path.name for path in kept}
        assert [path for path in kept if b"hunter2" in path.read_bytes()] == []
    assert "hunter2" not in told.stdout + told.stderr
    assert farm.apply().ends == {"web-1": "unchanged", "web-2": "unchanged"}


def test_what_cannot_be_set_is_told_before_anything_changes(farm: Farm) -> None:
    farm.write_release({"app.json": '{"a": {"b": 1}}', "app.xml": "<a/>"})
    steps = "- {name: Deploy, package: shop, configure: {set: {%s: {%s: 1}}}}"
    for path, key, said in (
        ("app.json", "'a:c'", "app.json: the file has no key 'a:c' (did you mean 'a:b'?)"),
        ("app.xml", "a", "values can be set in files that end in .json"),
        ("app.yaml", "a", "no file of the package matches 'app.yaml'"),
    ):
        farm.write_plan(steps % (path, key))
        told = farm.apply()
        assert told.code == 1
        assert said in told.stderr
        assert told.stderr.startswith(f"{farm.folder / 'plan.yaml'}:") or told.stderr.startswith("plan.yaml:")
        assert not farm.to("web-1").exists()


def test_an_identity_that_is_missing_is_told_when_the_plan_is_read(farm: Farm) -> None:
    _, recipient = new_identity()
    farm.write("token.age", encrypt(b"hunter2hunter2\n", [recipient]))
    farm.write_plan(
        "- {name: Deploy, package: shop}\n- {name: Say, run: 'true', secrets: [token]}",
        variables={"token": {"secret": {"age": "token.age"}}},
    )
    told = farm.apply()
    assert told.code == 1
    assert "the age identity" in told.stderr
    assert "octo-ssh secrets keygen" in told.stderr
    assert told.phases == []


def test_a_secret_for_somebody_else_fails_naming_what_to_do(farm: Farm) -> None:
    farm.env["OCTO_SSH_AGE_KEY"], _ = new_identity()
    _, other = new_identity()
    farm.write("token.age", encrypt(b"hunter2hunter2\n", [other]))
    farm.write_release({"app.json": json.dumps({"a": 1})})
    farm.write_plan(
        "- {name: Deploy, package: shop, configure: {set: {app.json: {a: '${{ token }}'}}}}",
        variables={"token": {"secret": {"age": "token.age"}}},
    )
    told = farm.apply()
    assert told.code == 1
    assert "octo-ssh secrets rotate" in told.stdout + told.stderr
    assert "Traceback" not in told.stderr
