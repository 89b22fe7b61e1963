"""Bad inventories: each with every line that the user sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo_ssh.config.inventory import load_inventory
from octo_ssh.errors import FileErrors

V = "version: 1\n"

BAD: list[tuple[str, str, list[str]]] = [
    (
        "not a map",
        "- a\n",
        ["i.yaml:1:1: this must be a map: key: value"],
    ),
    (
        "no version",
        "targets: {a: {}}\n",
        ["i.yaml:1:1: the key 'version' is missing here: add it"],
    ),
    (
        "newer version",
        "version: 2\ntargets: {a: {}}\n",
        ["i.yaml:1:10: 'version' must be 1: this octo-ssh reads no other form"],
    ),
    (
        "version as text",
        "version: '1'\ntargets: {a: {}}\n",
        ["i.yaml:1:10: 'version' must be a whole number: remove the quotes"],
    ),
    (
        "no targets",
        V,
        ["i.yaml: the inventory has no targets: add some at 'targets'"],
    ),
    (
        "unknown key at the top",
        V + "target: {a: {}}\n",
        ["i.yaml:2:1: unknown key 'target' (did you mean 'targets'?)"],
    ),
    (
        "unknown key far from any",
        V + "zebra: 1\ntargets: {a: {}}\n",
        [
            (
                "i.yaml:2:1: unknown key 'zebra': known here are 'defaults', 'dynamic', "
                "'environments', 'include', 'known_hosts', 'tags', 'targets', 'variables', 'version'"
            )
        ],
    ),
    (
        "unknown key of a target",
        V + "targets:\n  web:\n    hots: web.example.net\n",
        ["i.yaml:4:5: unknown key 'hots' (did you mean 'host'?)"],
    ),
    (
        "key that Ansible knows",
        V + "targets:\n  web:\n    ansible_host: 192.0.2.1\n",
        [
            (
                "i.yaml:4:5: unknown key 'ansible_host': known here are 'become', 'environments', "
                "'host', 'host_key', 'identity', 'identity_passphrase', 'jump', 'port', 'root', "
                "'ssh_config', 'tags', 'user', 'variables'"
            )
        ],
    ),
    (
        "host is a number",
        V + "targets: {web: {host: 10}}\n",
        ["i.yaml:2:23: 'host' must be a string: quote it, \"10\""],
    ),
    (
        "host with a user",
        V + "targets: {web: {host: root@web}}\n",
        ["i.yaml:2:23: 'root@web' is no host name: write the user at 'user'"],
    ),
    (
        "host with a port",
        V + "targets: {web: {host: 'web:22'}}\n",
        ["i.yaml:2:23: 'web:22' is no host name: write the port at 'port'"],
    ),
    (
        "host is an option",
        V + "targets: {web: {host: -oProxyCommand=id}}\n",
        ["i.yaml:2:23: '-oProxyCommand=id' is no host name or address"],
    ),
    (
        "host is empty",
        V + "targets: {web: {host: ''}}\n",
        ["i.yaml:2:23: '' is no host name or address"],
    ),
    (
        "user is a sentence",
        V + "targets: {web: {user: two words}}\n",
        ["i.yaml:2:23: 'two words' is no user name"],
    ),
    (
        "port is text",
        V + "targets: {web: {port: '22'}}\n",
        ["i.yaml:2:23: 'port' must be a whole number: remove the quotes"],
    ),
    (
        "port is a boolean",
        V + "targets: {web: {port: true}}\n",
        ["i.yaml:2:23: 'port' must be a whole number"],
    ),
    (
        "port too large",
        V + "targets: {web: {port: 70000}}\n",
        ["i.yaml:2:23: 'port' must be at most 65535"],
    ),
    (
        "port zero",
        V + "targets: {web: {port: 0}}\n",
        ["i.yaml:2:23: 'port' must be at least 1"],
    ),
    (
        "target is text",
        V + "targets: {web: web.example.net}\n",
        ["i.yaml:2:16: 'web' must be a map: key: value"],
    ),
    (
        "targets are a list",
        V + "targets:\n  - web\n",
        ["i.yaml:3:3: 'targets' must be a map: name: value"],
    ),
    (
        "root is relative",
        V + "targets: {web: {root: octo}}\n",
        ["i.yaml:2:23: 'octo' cannot be 'root': write an absolute path, or one in the home (~/.octo-ssh)"],
    ),
    (
        "root climbs",
        V + "targets: {web: {root: /srv/../etc}}\n",
        ["i.yaml:2:23: '/srv/../etc' cannot be 'root': write an absolute path, or one in the home (~/.octo-ssh)"],
    ),
    (
        "root is everything",
        V + "targets: {web: {root: /}}\n",
        ["i.yaml:2:23: '/' cannot be 'root': write an absolute path, or one in the home (~/.octo-ssh)"],
    ),
    (
        "host key is MD5",
        V + "targets: {web: {host_key: 'MD5:aa:bb'}}\n",
        [
            (
                "i.yaml:2:27: 'MD5:aa:bb' is no fingerprint: write SHA256: and the 43 characters that "
                "'ssh-keygen -lf KEY.pub' shows"
            )
        ],
    ),
    (
        "password in the file",
        V + "targets:\n  web:\n    become: {password: hunter2}\n",
        ["i.yaml:4:24: 'password' never stands in a file: write {secret: {env: NAME}}"],
    ),
    (
        "password from nowhere",
        V + "targets: {web: {become: {password: {secret: {envs: SUDO}}}}}\n",
        ["i.yaml:2:46: 'envs' is no source of a secret (did you mean 'env'?): use env, file, command or age"],
    ),
    (
        "password from age without its text",
        V + "targets: {web: {become: {password: {secret: {age: }}}}}\n",
        ["i.yaml:2:51: 'age' must be a string: it is empty"],
    ),
    (
        "age of two lines",
        V + 'variables: {a: {secret: {age: "one\\ntwo"}}}\ntargets: {web: {}}\n',
        [
            "i.yaml:2:31: 'age' must be the path of an age file, or the text that begins with"
            " -----BEGIN AGE ENCRYPTED FILE-----"
        ],
    ),
    (
        "password prompted",
        V + "targets: {web: {become: {password: {prompt: {text: Sudo}}}}}\n",
        ["i.yaml:2:37: 'prompt' is not built yet in octo-ssh 0.1: remove it"],
    ),
    (
        "become is a boolean",
        V + "targets: {web: {become: true}}\n",
        ["i.yaml:2:25: 'become' must be a map: key: value"],
    ),
    (
        "name with a space",
        V + "targets: {web 1: {}}\n",
        [
            (
                "i.yaml:2:11: 'web 1' cannot be the name of a target: use letters, digits, '-', '_' "
                "and '.', with a letter or digit first"
            )
        ],
    ),
    (
        "name climbs",
        V + "targets: {../web: {}}\n",
        [
            (
                "i.yaml:2:11: '../web' cannot be the name of a target: use letters, digits, '-', '_' "
                "and '.', with a letter or digit first"
            )
        ],
    ),
    (
        "name is reserved",
        V + "targets: {all: {}}\n",
        ["i.yaml:2:11: 'all' is a word of octo-ssh: choose another name for this target"],
    ),
    (
        "name is empty",
        V + "targets: {'': {}}\n",
        [
            (
                "i.yaml:2:11: '' cannot be the name of a target: use letters, digits, '-', '_' and "
                "'.', with a letter or digit first"
            )
        ],
    ),
    (
        "name is very long",
        V + "targets: {" + "w" * 101 + ": {}}\n",
        ["i.yaml:2:11: the target's name is longer than 100 characters: shorten it"],
    ),
    (
        "range backwards",
        V + "targets: {'web-[20:01]': {}}\n",
        ["i.yaml:2:11: the range [20:01] in 'web-[20:01]' runs backwards: write [01:20]"],
    ),
    (
        "range padded unevenly",
        V + "targets: {'web-[01:100]': {}}\n",
        ["i.yaml:2:11: the ends of [01:100] in 'web-[01:100]' differ in length: pad both, as in [01:20]"],
    ),
    (
        "range is no range",
        V + "targets: {'web-[1-20]': {}}\n",
        ["i.yaml:2:11: '[1-20]' in 'web-[1-20]' is no range: write [01:20] or [a:c]"],
    ),
    (
        "range without end",
        V + "targets: {'web-[01:': {}}\n",
        ["i.yaml:2:11: the brackets in 'web-[01:' do not pair: a range is written web-[01:20]"],
    ),
    (
        "range of mixed ends",
        V + "targets: {'web-[a:9]': {}}\n",
        ["i.yaml:2:11: '[a:9]' in 'web-[a:9]' is no range: write [01:20] or [a:c]"],
    ),
    (
        "range absurd",
        V + "targets: {'web-[0:999999999]': {}}\n",
        ["i.yaml:2:11: 'web-[0:999999999]' stands for 1,000,000,000 names, more than 10,000: check its ends"],
    ),
    (
        "ranges absurd together",
        V + "targets: {'w[000:999]-[000:999]': {}}\n",
        ["i.yaml:2:11: 'w[000:999]-[000:999]' stands for 1,000,000 names, more than 10,000: check its ends"],
    ),
    (
        "range hits a name",
        V + "targets:\n  web-[01:03]: {}\n  web-02: {}\n",
        ["i.yaml:4:3: the target 'web-02' is defined twice: also at i.yaml:3:3, remove one"],
    ),
    (
        "unknown environment",
        V + "environments: {staging: {}}\ntargets:\n  web:\n    environments: [stagin]\n",
        ["i.yaml:5:20: unknown environment 'stagin' (did you mean 'staging'?)"],
    ),
    (
        "environment of no inventory",
        V + "targets: {web: {environments: prod}}\n",
        ["i.yaml:2:31: unknown environment 'prod': add it to 'environments' of the inventory"],
    ),
    (
        "environment twice",
        V + "environments: {staging: {}}\ntargets: {web: {environments: [staging, staging]}}\n",
        ["i.yaml:3:41: 'staging' stands in 'environments' twice: remove one"],
    ),
    (
        "environment reserved",
        V + "environments: {default: {}}\ntargets: {web: {}}\n",
        ["i.yaml:2:16: 'default' is a word of octo-ssh: choose another name for this environment"],
    ),
    (
        "tag is a number",
        V + "targets: {web: {tags: [web, 2]}}\n",
        ["i.yaml:2:29: each of 'tags' must be a string: quote it, \"2\""],
    ),
    (
        "tag with a colon",
        V + "targets: {web: {tags: ['role:web']}}\n",
        [
            (
                "i.yaml:2:24: 'role:web' cannot be the name of a tag: use letters, digits, '-', '_' "
                "and '.', with a letter or digit first"
            )
        ],
    ),
    (
        "jump unknown",
        V + "targets:\n  bastion: {}\n  web: {jump: bastoin}\n",
        [
            (
                "i.yaml:4:15: unknown target 'bastoin' (did you mean 'bastion'?): a host that is no "
                "target is user@host:port"
            )
        ],
    ),
    (
        "jump to itself",
        V + "targets: {web: {jump: web}}\n",
        ["i.yaml:2:23: 'web' cannot be its own jump host: remove it"],
    ),
    (
        "jumps in a circle",
        V + "targets:\n  a: {jump: b}\n  b: {jump: c}\n  c: {jump: a}\n",
        ["i.yaml:3:3: the jumps go in a circle, a → b → c → a: remove one of them"],
    ),
    (
        "jump with a comma",
        V + "targets: {web: {jump: 'a@b,c@d'}}\n",
        ["i.yaml:2:23: 'a@b,c@d' is no jump host: write several as a list"],
    ),
    (
        "jump without brackets",
        V + "targets: {web: {jump: 'fe80::1:22'}}\n",
        ["i.yaml:2:23: 'fe80::1:22' is no jump host: write user@host:port, an IPv6 address in brackets"],
    ),
    (
        "jump with a bad port",
        V + "targets: {web: {jump: 'a@b:99999'}}\n",
        ["i.yaml:2:23: the port in 'a@b:99999' must be from 1 to 65535"],
    ),
    (
        "jump twice",
        V + "targets: {web: {jump: ['a@b', 'a@b']}}\n",
        ["i.yaml:2:31: the jump 'b' stands here twice: remove one"],
    ),
    (
        "template broken",
        V + "targets:\n  web:\n    host: ${{ name\n",
        ["i.yaml:4:11: '${{' is never closed: add '}}'"],
    ),
    (
        "template unknown name",
        V + "targets:\n  web:\n    host: ${{ nmae }}.example.net\n",
        ["i.yaml:4:11: undefined name 'nmae' (did you mean 'name'?)"],
    ),
    (
        "template gives a list",
        V + "targets:\n  web:\n    host: ${{ tags }}\n",
        ["i.yaml:4:11: this must give text, and gives a list"],
    ),
    (
        "template in a tag",
        V + "targets:\n  web:\n    tags: ['${{ name }}']\n",
        ["i.yaml:4:12: each of 'tags' must be plain text: templates are not read here"],
    ),
    (
        "requires",
        V + "environments:\n  a: {}\n  b:\n    requires: a\ntargets: {web: {}}\n",
        ["i.yaml:5:5: 'requires' is not built yet in octo-ssh 0.1: remove it"],
    ),
    (
        "freezes",
        V + "environments:\n  a:\n    freezes:\n      - {from: 2026-01-01, to: 2026-01-02}\ntargets: {web: {}}\n",
        ["i.yaml:4:5: 'freezes' is not built yet in octo-ssh 0.1: remove it"],
    ),
    (
        "confirm is yes",
        V + "environments: {a: {confirm: yes}}\ntargets: {web: {}}\n",
        ["i.yaml:2:29: 'confirm' must be true or false, not 'yes'"],
    ),
    (
        "variables are a list",
        V + "variables: [a]\ntargets: {web: {}}\n",
        ["i.yaml:2:12: 'variables' must be a map: name: value"],
    ),
    (
        "variable hijacks",
        V + "variables: {PATH: /tmp, LD_PRELOAD: x, OCTO_RUN: 1}\ntargets: {web: {}}\n",
        [
            "i.yaml:2:13: 'PATH' means something to the shell or to octo-ssh: choose another name",
            "i.yaml:2:25: 'LD_PRELOAD' means something to the shell or to octo-ssh: choose another name",
            "i.yaml:2:40: 'OCTO_RUN' means something to the shell or to octo-ssh: choose another name",
        ],
    ),
    (
        "variable's name",
        V + "variables: {1st: x}\ntargets: {web: {}}\n",
        [
            (
                "i.yaml:2:13: '1st' cannot be a variable's name: use letters, digits, '_', '.', ':' "
                "and '-', no digit first"
            )
        ],
    ),
    (
        "variables collide",
        V + "variables:\n  a.b: 1\n  a_b: 2\ntargets: {web: {}}\n",
        ["i.yaml:4:3: 'a_b' and 'a.b' are both $a_b in a script: rename one"],
    ),
    (
        "variable loses a digit",
        V + "variables: {python: 3.10}\ntargets: {web: {}}\n",
        ['i.yaml:2:21: 3.10 is the number 3.1: quote it, "3.10", if it is a version'],
    ),
    (
        "prompt without a question",
        V + "variables: {a: {prompt: {default: x}}, b: {prompt: x}}\ntargets: {web: {}}\n",
        [
            "i.yaml:2:25: the key 'text' is missing here: add the question",
            "i.yaml:2:52: 'prompt' must be a map: {text: the question, default: …, secret: true}",
        ],
    ),
    (
        "prompt that is no plain text",
        V + "variables: {a: {prompt: {text: 'x ${{ y }}', defaut: 1}}, b: {prompt: {text: '', default: '${{ x }}'}}}\n"
        "targets: {web: {}}\n",
        [
            "i.yaml:2:32: 'text' must be the question, as plain text",
            "i.yaml:2:46: unknown key 'defaut' (did you mean 'default'?)",
            "i.yaml:2:78: 'text' must be the question, as plain text",
            "i.yaml:2:91: 'default' must be plain text: templates are not read here",
        ],
    ),
    (
        "prompt for a secret with a default",
        V + "variables: {a: {prompt: {text: x, secret: true, default: pass}}, b: {prompt: {text: x, secret: 1}}}\n"
        "targets: {web: {}}\n",
        [
            "i.yaml:2:58: a secret has no default, because everybody could read it here: remove it",
            "i.yaml:2:96: 'secret' must be true or false",
        ],
    ),
    (
        "prompt with a list for default",
        V + "variables: {a: {prompt: {text: x, default: [1]}}}\ntargets: {web: {}}\n",
        ["i.yaml:2:44: 'default' must be text, a number, true or false"],
    ),
    (
        "prompt inside a list",
        V + "variables: {a: [{prompt: {text: x}}], b: {c: {prompt: {text: x}}}}\ntargets: {web: {}}\n",
        [
            "i.yaml:2:18: 'prompt' stands for a whole variable: move it up to the variable",
            "i.yaml:2:47: 'prompt' stands for a whole variable: move it up to the variable",
        ],
    ),
    (
        "scope misspelt",
        V + "variables:\n  a:\n    scoped:\n      - {value: 1, enviroment: x}\ntargets: {web: {}}\n",
        ["i.yaml:5:20: unknown key 'enviroment' (did you mean 'environment'?)"],
    ),
    (
        "scope beside value",
        V + "variables: {a: {value: 1, environment: x}}\ntargets: {web: {}}\n",
        ["i.yaml:2:27: 'environment' cannot stand beside 'value': write rows with a scope as {scoped: [...]}"],
    ),
    (
        "secret has two sources",
        V + "variables: {a: {secret: {env: A, file: b}}}\ntargets: {web: {}}\n",
        [
            "i.yaml:2:25: a secret has one source: {env: NAME}, {file: path}, {command: [program, …]} or {age: …}",
        ],
    ),
    (
        "secret command is text",
        V + "variables: {a: {secret: {command: pass show x}}}\ntargets: {web: {}}\n",
        ["i.yaml:2:35: 'command' must be a list: the program, then one element for each argument"],
    ),
    (
        "include missing",
        V + "include: more.yaml\ntargets: {web: {}}\n",
        ["i.yaml:2:10: the file 'more.yaml' does not exist: check the path"],
    ),
    (
        "include's folder missing",
        V + "include: [nowhere/*.yaml]\ntargets: {web: {}}\n",
        ["i.yaml:2:11: the folder 'nowhere' does not exist: check the path"],
    ),
    (
        "dynamic command is text",
        V + "dynamic:\n  - command: ./hosts --all\n",
        ["i.yaml:3:14: 'command' must be a list: write it as [one, two], or each after a '- '"],
    ),
    (
        "dynamic command is empty",
        V + "dynamic:\n  - command: []\n",
        ["i.yaml:3:14: 'command' must not be empty"],
    ),
    (
        "dynamic timeout without unit",
        V + "dynamic:\n  - {command: [./hosts], timeout: 20}\n",
        ["i.yaml:3:35: 'timeout' must be a duration with its unit: 20s, 20m or 20h"],
    ),
    (
        "dynamic program missing",
        V + "dynamic:\n  - command: [./hosts]\n",
        ["i.yaml:3:14: the dynamic program ./hosts cannot be started: No such file or directory"],
    ),
    (
        "dynamic program fails",
        V + "dynamic:\n  - command: [sh, -c, 'echo no credentials >&2; exit 3']\n",
        ["i.yaml:3:14: the dynamic program sh failed with exit status 3: no credentials"],
    ),
    (
        "dynamic program hangs",
        V + "dynamic:\n  - {command: [sleep, '60'], timeout: 100ms}\n",
        ["i.yaml:3:15: the dynamic program sleep took longer than 0.1s: raise its 'timeout', or make it faster"],
    ),
    (
        "dynamic program floods",
        V + "dynamic:\n  - command: [head, -c, '5000000', /dev/zero]\n",
        ["i.yaml:3:14: the dynamic program head printed more than 4 MiB: print less"],
    ),
    (
        "many at once",
        (
            "vers: 1\ndefaults: {port: x}\nenvironments: {a: {requires: b}}\ntargets: {web: {hosts: "
            "1}, db: {tags: [1.5]}}\n"
        ),
        [
            "i.yaml:1:1: the key 'version' is missing here: add it",
            "i.yaml:1:1: unknown key 'vers' (did you mean 'version'?)",
            "i.yaml:2:18: 'port' must be a whole number",
            "i.yaml:3:20: 'requires' is not built yet in octo-ssh 0.1: remove it",
            "i.yaml:4:17: unknown key 'hosts' (did you mean 'host'?)",
            "i.yaml:4:40: each of 'tags' must be a string: quote it, \"1.5\"",
        ],
    ),
]

BAD_OUTPUT: list[tuple[str, str, list[str]]] = [
    (
        "names nobody",
        "{targets: {}}",
        ["i.yaml:3:21: the dynamic program cat names no target: an empty fleet is refused"],
    ),
    (
        "no targets key",
        "{}",
        ["output of cat:1:1: the key 'targets' is missing here: add it"],
    ),
    (
        "prints nothing",
        "",
        ["output of cat: this document is empty: it must hold a map of keys"],
    ),
    (
        "prints text",
        "no hosts today",
        ["output of cat:1:1: this must be a map: key: value"],
    ),
    (
        "prints a template",
        '{"targets": {"a": {"host": "${{ name }}"}}}',
        ["output of cat:1:28: a dynamic inventory is data: print the value in place of the template"],
    ),
    (
        "prints a secret",
        '{"targets": {"a": {"become": {"password": {"secret": {"env": "A"}}}}}}',
        ["output of cat:1:31: a dynamic inventory holds no secrets: set the password in 'defaults'"],
    ),
    (
        "prints a passphrase",
        '{"targets": {"a": {"identity_passphrase": {"secret": {"env": "A"}}}}}',
        ["output of cat:1:20: 'identity_passphrase' cannot come from a dynamic inventory: set it in 'defaults'"],
    ),
    (
        "variable is a secret",
        '{"targets": {"a": {"variables": {"x": {"secret": {"env": "A"}}}}}}',
        ["output of cat:1:39: a dynamic inventory is data: 'secret' is not read in it"],
    ),
    (
        "includes",
        '{"include": "a", "targets": {"a": {}}}',
        ["output of cat:1:2: unknown key 'include': known here are 'targets', 'version'"],
    ),
    (
        "nests",
        '{"dynamic": [{"command": ["x"]}], "targets": {"a": {}}}',
        ["output of cat:1:2: unknown key 'dynamic': known here are 'targets', 'version'"],
    ),
    (
        "sets ssh_config",
        '{"targets": {"a": {"ssh_config": "x"}}}',
        ["output of cat:1:20: 'ssh_config' cannot come from a dynamic inventory: set it in 'defaults'"],
    ),
    (
        "takes a name",
        '{"targets": {"known": {}}}',
        ["output of cat:1:14: the target 'known' is defined twice: also at i.yaml:2:11, remove one"],
    ),
    (
        "breaks off",
        '{"targets": {"a": {}}',
        ["output of cat:1:1: a bracket is opened here and never closed: close it"],
    ),
    (
        "name is markup",
        '{"targets": {"a\\u001b[2Jb": {}}}',
        ["output of cat:1:14: the brackets in 'a\\x1b[2Jb' do not pair: a range is written web-[01:20]"],
    ),
    (
        "host is a command",
        '{"targets": {"a": {"host": "$(id)"}}}',
        ["output of cat:1:28: '$(id)' is no host name or address"],
    ),
]


def mistakes_in(path: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        load_inventory(path)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_a_bad_inventory_is_explained_at_its_place(
    text: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("i.yaml").write_text(text)
    assert mistakes_in("i.yaml") == expected


@pytest.mark.parametrize(("output", "expected"), [pytest.param(*row[1:], id=row[0]) for row in BAD_OUTPUT])
def test_what_a_dynamic_program_prints_is_judged_as_data(
    output: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hosts").write_text(output)
    Path("i.yaml").write_text(V + "targets: {known: {}}\ndynamic: [{command: [cat, hosts]}]\n")
    assert mistakes_in("i.yaml") == expected


def test_the_mistakes_of_all_files_are_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("targets: {a: {prot: 22}}\n")
    Path("b.yaml").write_text("targets: {b: {host: @x}}\n")
    Path("hosts").write_text('{"targets": {"c": {"port": "x"}}}')
    Path("i.yaml").write_text(
        V + "include: [a.yaml, b.yaml, c.yaml]\ndynamic: [{command: [cat, hosts]}]\ntargets: {d: {user: two words}}\n"
    )
    assert mistakes_in("i.yaml") == [
        "a.yaml:1:15: unknown key 'prot' (did you mean 'port'?)",
        "b.yaml:1:21: this is not YAML: quote this value",
        "i.yaml:2:27: the file 'c.yaml' does not exist: check the path",
        "i.yaml:4:21: 'two words' is no user name",
        "output of cat:1:28: 'port' must be a whole number: remove the quotes",
    ]


def test_a_jump_is_not_called_unknown_while_a_file_with_targets_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("i.yaml").write_text(V + "include: [more.yaml]\ntargets: {a: {jump: bastion}}\n")
    assert mistakes_in("i.yaml") == ["i.yaml:2:11: the file 'more.yaml' does not exist: check the path"]


def test_a_target_defined_in_two_files_names_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("more.yaml").write_text("tags: {web: {}}\ntargets: {web-2: {}}\n")
    Path("i.yaml").write_text(V + "include: [more.yaml]\ntags: {web: {}}\ntargets: {'web-[1:3]': {}}\n")
    assert mistakes_in("i.yaml") == [
        "more.yaml:1:8: the tag 'web' is defined twice: also at i.yaml:3:8, remove one",
        "more.yaml:2:11: the target 'web-2' is defined twice: also at i.yaml:4:11, remove one",
    ]


def test_too_many_targets_in_all_are_refused_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("i.yaml").write_text(V + "targets: {'a[1:9999]': {}, 'b[1:9999]': {}, 'c[1:9999]': {}}\n")
    assert mistakes_in("i.yaml") == ["i.yaml:2:45: the inventory has more than 20,000 targets: split it"]
