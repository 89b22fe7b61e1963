"""Reading what a step does to targets: run, check, package, file, service, approve (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from octo_ssh.config.document import Mapping, Node, Scalar
from octo_ssh.config.plan_beside import find_source, read_script, read_template
from octo_ssh.config.plan_configure import read_configure
from octo_ssh.config.plan_part_shapes import RestartShape
from octo_ssh.config.plan_probes import read_probe
from octo_ssh.config.plan_step_shapes import (
    ApproveShape,
    CheckShape,
    FileShape,
    PackageStepShape,
    RunShape,
    ServiceShape,
)
from octo_ssh.config.plan_words import file_problem, inner_problem, owner_problem, place_problem, unit_problem
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.schema import validate
from octo_ssh.config.values import BadValue, any_text, read_secret, template_text
from octo_ssh.errors import Position
from octo_ssh.model.plan import (
    ApproveStep,
    CheckStep,
    FileContent,
    FileScript,
    FileStep,
    InlineScript,
    PackageScript,
    PackageStep,
    Rerun,
    Restart,
    RunStep,
    SecretContent,
    ServiceState,
    ServiceStep,
    SourceContent,
    StepKind,
    TemplateContent,
    Text,
    TextContent,
)

ActShape = RunShape | CheckShape | PackageStepShape | FileShape | ServiceShape | ApproveShape
LEAST_CONFIRM_S = 5.0
"""A new connection takes its time, over jumps most of all."""
_OF_A_FILE_THAT_IS_THERE = ("mode", "owner", "group", "parents", "diff")


class ActReader:
    """Reads what single steps do. Mistakes are added to ``problems``."""

    def __init__(self, packages: tuple[str, ...], problems: Problems) -> None:
        self.packages = packages
        self.problems = problems
        self.used_packages: set[str] = set()

    def act(self, shape: ActShape, *, on_controller: bool) -> StepKind:
        """What a step does."""
        match shape:
            case RunShape():
                return self._run(shape, on_controller=on_controller)
            case CheckShape():
                return CheckStep(read_probe(shape.check, self.problems))
            case PackageStepShape():
                return self._package(shape)
            case FileShape():
                return self._file(shape)
            case ServiceShape():
                return self._service(shape)
            case ApproveShape():
                self._not_blank(shape.approve, "approve", shape.at("approve"))
                return ApproveStep(shape.approve)
            case _:
                assert_never(shape)

    def _run(self, shape: RunShape, *, on_controller: bool) -> RunStep:
        script = self._script(shape)
        if on_controller and isinstance(script, PackageScript):
            message = "a script of a package runs on targets: put the file beside the plan, or write tags at 'on'"
            self.problems.add(shape.at("script"), message)
        if shape.unless is not None and shape.has("rerun"):
            self.problems.add(shape.key_at("rerun"), "'unless' alone decides whether the script runs: remove 'rerun'")
        return RunStep(script, shape.unless, Rerun(shape.rerun), shape.reboots)

    def _script(self, shape: RunShape) -> InlineScript | FileScript | PackageScript:
        if shape.run is not None:
            return InlineScript(shape.run)
        word, at = shape.script or "", shape.at("script")
        name, colon, path = word.partition(":")
        if colon and "/" not in name:
            self._check_package(name, at)
            self._say(inner_problem(path), at, "'script' after PACKAGE: ")
            return PackageScript(name, path)
        return FileScript(*read_script(word, at, self.problems))

    def _package(self, shape: PackageStepShape) -> PackageStep:
        self._check_package(shape.package, shape.at("package"))
        self.used_packages.add(shape.package)
        for index, path in enumerate(shape.shared):
            self._say(inner_problem(path), shape.item_at("shared", index), "each of 'shared' ")
        self._check_shared(shape)
        if isinstance(shape.to, str):
            self._say(place_problem(shape.to), shape.at("to"))
        patterns, settings = read_configure(shape.configure, self.problems)
        return PackageStep(
            package=shape.package,
            to=shape.to,
            keep=shape.keep,
            shared=tuple(path.rstrip("/") for path in shape.shared),
            configure=patterns,
            activate=shape.activate,
            verify=read_probe(shape.verify, self.problems) if shape.verify else None,
            settings=settings,
            confirm_s=self._confirm(shape),
        )

    def _confirm(self, shape: PackageStepShape) -> float | None:
        """How long the target waits for a confirmation (SPEC section 8)."""
        if shape.confirm is None:
            return None
        if shape.confirm < LEAST_CONFIRM_S:
            message = f"'confirm' must be {LEAST_CONFIRM_S:g}s or longer: a new connection takes its time"
            self.problems.add(shape.at("confirm"), message)
        elif shape.verify is not None and shape.verify.within >= shape.confirm:
            within = "" if shape.verify.has("within") else ", if nothing is said"
            message = (
                f"'confirm' must be longer than 'verify' may take, which is {shape.verify.within:g}s{within}: the"
                " target would go back while it is being verified"
            )
            self.problems.add(shape.at("confirm"), message)
        return shape.confirm

    def _check_package(self, name: str, at: Position) -> None:
        if name not in self.packages:
            known = quoted_list(self.packages)
            hint = nearest(name, self.packages) or (f": known are {known}" if known else ": the plan has no 'packages'")
            self.problems.add(at, f"there is no package '{name}' in this plan{hint}")

    def _check_shared(self, shape: PackageStepShape) -> None:
        paths = [path.rstrip("/") for path in shape.shared]
        for index, path in enumerate(paths):
            for other in paths[:index]:
                if path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/"):
                    message = f"'{path}' and '{other}' are both shared, and one holds the other: keep one"
                    self.problems.add(shape.item_at("shared", index), message)

    def _file(self, shape: FileShape) -> FileStep:
        if isinstance(shape.file, str):
            self._say(file_problem(shape.file), shape.at("file"))
        for key, name in (("owner", shape.owner), ("group", shape.group)):
            if isinstance(name, str):
                self._say(owner_problem(name, key), shape.at(key))
        given = [key for key in shape.one_of if shape.has(key)]
        if len(given) != 1:
            message = f"a file step has one of {quoted_list(shape.one_of)}: add or remove one"
            self.problems.add(shape.key_at(given[1]) if given else shape.position, message)
        if shape.has("absent") and not shape.absent:
            self.problems.add(shape.at("absent"), "'absent: false' says nothing: write what the file holds")
        for key in _OF_A_FILE_THAT_IS_THERE if shape.absent else ():
            if shape.has(key):
                self.problems.add(shape.key_at(key), f"'{key}' belongs to a file that is there: remove it")
        return FileStep(
            path=shape.file,
            content=self._content(shape),
            mode=shape.mode,
            owner=shape.owner,
            group=shape.group,
            parents=shape.parents,
            on_change=shape.on_change,
            show_diff=shape.diff,
        )

    def _content(self, shape: FileShape) -> FileContent | None:
        if shape.template is not None:
            return TemplateContent(*read_template(shape.template, shape.at("template"), self.problems))
        if shape.source is not None:
            return SourceContent(find_source(shape.source, shape.at("source"), self.problems))
        match shape.content:
            case None:
                return None
            case Mapping(items=items) if len(items) == 1 and "secret" in items:
                ref = read_secret(items["secret"].value, self.problems)
                return SecretContent(ref) if ref else None
            case Mapping(items=items) if len(items) == 1 and "value" in items:
                return TextContent(self._read_text(any_text, items["value"].value, "value"))
            case Mapping() as node:
                self.problems.add(node.position, "'content' must be text, or a secret: {secret: {env: NAME}}")
                return None
            case node:
                return TextContent(self._read_text(template_text, node, "content"))

    def _read_text(self, read: Callable[[Node], Text], node: Node, key: str) -> Text:
        try:
            return read(node)
        except BadValue as bad:
            self.problems.add(bad.position or node.position, f"'{key}' {bad.message}")
            return ""

    def _service(self, shape: ServiceShape) -> ServiceStep:
        if isinstance(shape.service, str):
            self._say(unit_problem(shape.service), shape.at("service"))
        restart, causes = self._restart(shape.restart)
        if not any(shape.has(key) for key in ("state", "enabled", "restart")):
            self.problems.add(shape.position, "this step does nothing: add one of 'state', 'enabled', 'restart'")
        if restart is not Restart.NEVER and shape.state == "stopped":
            self.problems.add(shape.key_at("restart"), "a service that is to be stopped does not restart: remove one")
        state = ServiceState(shape.state) if shape.state else None
        return ServiceStep(shape.service, state, shape.enabled, restart, causes)

    def _restart(self, node: Node | None) -> tuple[Restart, tuple[str, ...]]:
        """Whether the service restarts, and after which steps, as written."""
        match node:
            case None:
                return Restart.NEVER, ()
            case Scalar(value="never" | "always" as word):
                return Restart(word), ()
            case Mapping() as node:
                shape = validate(node, RestartShape, self.problems)
                return Restart.ON_CHANGE, shape.on_change if shape else ()
            case node:
                message = "'restart' must be never, always, or a map: {on_change: [a step's name]}"
                self.problems.add(node.position, message)
                return Restart.NEVER, ()

    def _not_blank(self, text: Text, key: str, at: Position) -> None:
        if isinstance(text, str) and not text.strip():
            self.problems.add(at, f"'{key}' must not be empty: say what it is about")

    def _say(self, problem: str | None, at: Position, before: str = "") -> None:
        if problem is not None:
            self.problems.add(at, before + problem)
