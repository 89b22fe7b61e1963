"""Jinja's expressions, shut in: plain data only, no internals, bounded in memory and time (SPEC section 2).

Everything an expression can reach is a str, number, bool, None, list or dict made for it, or a stand-in for a secret.
Bounds (``bounded.py``): each value that is worked on is at most ``SIZE_LIMIT`` big, all work together at most
``FUEL``, whole numbers have ``BITS_LIMIT`` bits. What could make more of less (repetition, powers, padding, formats)
is asked before it is done.
This module imports jinja2: import it inside functions only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, NoReturn, cast

import jinja2
from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import Context, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.visitor import NodeTransformer

from octo_ssh.config import bounded
from octo_ssh.config.bounded import BoundError, Budget
from octo_ssh.config.pieces import TemplateProblem
from octo_ssh.config.problems import nearest
from octo_ssh.config.uses import Output, Uses, uses
from octo_ssh.model.values import SecretRef

SOURCE_LIMIT = 4000
"""Characters of one expression."""


class ExpressionError(ValueError):
    """An expression cannot be read or evaluated; the message is for the user."""


class SecretUsed(Exception):
    """The value of an expression depends on a secret that was not revealed to it."""


class Sealed:
    """Stands for a secret. It can be passed on whole; whatever looks inside raises SecretUsed."""

    __slots__ = ("ref",)

    def __init__(self, ref: SecretRef) -> None:
        self.ref = ref

    def __getattr__(self, name: str) -> NoReturn:
        raise SecretUsed

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise SecretUsed

    __str__ = __repr__ = __format__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = __hash__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __call__ = __int__ = __float__ = __index__ = _refuse
    __neg__ = __pos__ = __reduce__ = _refuse


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    uses: Uses
    run: TemplateExpression


class LazyMap(Mapping[str, Any]):
    """A map whose values are computed when asked for, opened for expressions one by one."""

    def __init__(self, inner: Mapping[str, Any], open_value: Callable[[Any], Any]) -> None:
        self._inner = inner
        self._open = open_value

    def __getitem__(self, key: str) -> Any:
        return self._open(self._inner[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)


class Outputs(Mapping[str, Any]):
    """The outputs of a step, or what leads to them: every key an item, no method in the way."""

    def __init__(self, inner: Mapping[str, Any], whose: str = "") -> None:
        self._inner = inner
        self._whose = whose

    def __getitem__(self, key: str) -> Any:
        return self._inner[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)

    def why_missing(self, name: str) -> str:
        more = nearest(name, self) if self else ": it gave none at all"
        return f"{self._whose} gave no output '{name}'{more}"


def open_outputs(wanted: Iterable[Output], steps: Mapping[str, Any], open_value: Callable[[Any], Any]) -> Outputs:
    """``steps`` with the outputs that are wanted, as far as they are there. ``steps``: ``late.StepOutputs``."""
    found: dict[str, dict[str, Any]] = {}
    for use in wanted:
        given = steps.get(use.step, {})
        values = given.get("output", {}) if use.target is None else given.get("outputs", {}).get(use.target, {})
        own = found.setdefault(use.step, {"output": Outputs({}), "outputs": {}})
        whose = f"the step '{use.step}'" + ("" if use.target is None else f" on {use.target}")
        outputs = Outputs(LazyMap(values, open_value), whose)
        if use.target is None:
            own["output"] = outputs
        else:
            own["outputs"][use.target] = outputs
    return Outputs({step: Outputs({**own, "outputs": Outputs(own["outputs"])}) for step, own in found.items()})


_budget: ContextVar[Budget] = ContextVar("budget of the running expression")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_METHODS: Mapping[type, frozenset[str]] = {
    str: _words(
        "upper lower title capitalize casefold swapcase strip lstrip rstrip removeprefix removesuffix startswith"
        " endswith split rsplit splitlines partition rpartition replace find rfind index rindex count join isdigit"
        " isalpha isalnum isdecimal isnumeric isspace isupper islower zfill ljust rjust center"
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"index", "count"}),
    float: frozenset({"is_integer"}),
    LazyMap: frozenset({"get"}),
}
_FAILURES = (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an expression can run into that does not fit its values."""
_KEPT_FILTERS = _words(
    "abs capitalize count d default dictsort filesizeformat first float groupby int items last length list lower map"
    " max min reject rejectattr reverse select selectattr sort sum title trim truncate unique upper urlencode wordcount"
)
_KEPT_TESTS = set(TESTS) - {"callable", "escaped", "filter", "test", "sameas"}
_PASS_SECRETS = {"default", "d", "defined", "undefined", "none", "first", "last", "list", "map", "items"}
_CONCAT = "joined pieces"  # no name a file could call


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, narrowed: every operation that could grow is asked first."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, cache_size=0, optimized=False)
        self.globals = dict(_GLOBALS)
        self.filters = {name: _guarded(name, FILTERS[name]) for name in _KEPT_FILTERS}
        self.filters |= {name: _guarded(name, function) for name, function in bounded.FILTERS.items()}
        self.filters[_CONCAT] = _guarded(_CONCAT, bounded.concat)
        self.tests = {name: _guarded(name, cast(Any, TESTS[name])) for name in _KEPT_TESTS}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _spend((left, right))
        if isinstance(left, Sealed) or isinstance(right, Sealed):
            raise SecretUsed
        bounded.check_operation(operator, left, right)
        return self.binop_table[operator](left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Sealed):
            raise SecretUsed
        if attribute in _METHODS.get(type(obj), ()):
            return getattr(obj, attribute)
        return self._item(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Sealed) or isinstance(argument, Sealed):
            raise SecretUsed
        return self._item(obj, argument)

    def _item(self, obj: Any, key: Any) -> Any:
        if isinstance(obj, jinja2.Undefined):
            return obj[key]
        try:
            return obj[key]
        except (TypeError, LookupError):
            if isinstance(obj, Outputs):
                return StrictUndefined(hint=obj.why_missing(str(key)), name=str(key))
            if _budget.get().is_secret:
                return StrictUndefined(hint=f"there is no such item in this {_kind(obj)}")
            known = [str(name) for name in obj] if isinstance(obj, Mapping) else []
            what = "variables" if isinstance(obj, LazyMap) else f"this {_kind(obj)}"
            return StrictUndefined(hint=f"there is no {key!r} in {what}{nearest(str(key), known)}", name=str(key))

    def call(self, context: Context, function: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(function, Sealed):
            raise SecretUsed
        if isinstance(function, jinja2.Undefined):
            return function()
        owner = getattr(function, "__self__", None)
        name = getattr(function, "__name__", "")
        if function is not _range and function is not dict and name not in _METHODS.get(type(owner), ()):
            raise BoundError(f"a {_kind(function)} cannot be called")
        _spend((owner, *args, *kwargs.values()))
        if any(isinstance(item, Sealed) for item in (*args, *kwargs.values())) and function is not dict:
            raise SecretUsed
        if isinstance(owner, str):
            bounded.check_method(owner, name, args, kwargs)
        return _settled(function(*args, **kwargs))


def _range(*args: int) -> list[int]:
    numbers = range(*args)
    if len(numbers) > bounded.ITEMS_LIMIT:
        raise BoundError(f"range() of more than {bounded.ITEMS_LIMIT} numbers")
    return list(numbers)


_GLOBALS: Mapping[str, Any] = {"range": _range, "dict": dict}
FUNCTIONS = frozenset(_GLOBALS)
"""Names that expressions may call."""


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "text"
        case int() | float():
            return "number"
        case Mapping():
            return "map"
        case list():
            return "list"
        case _:
            return "function" if callable(value) else type(value).__name__


def _spend(values: tuple[Any, ...]) -> None:
    """Count the work that the values are worth. Raises BoundError when one is too big or all is spent."""
    budget = _budget.get()
    for value in values:
        budget.spend(value)


def _settled(result: Any) -> Any:
    """A result as plain data: generators and views are drawn into lists, no further than allowed."""
    if isinstance(result, Iterator) or (hasattr(result, "__iter__") and not isinstance(result, str | list | Mapping)):
        drawn: list[Any] = []
        room = bounded.SIZE_LIMIT
        for item in result:
            item = _settled(item) if not isinstance(item, Sealed | jinja2.Undefined) else item
            room -= 1 + bounded.size(item)
            if room < 0:
                raise BoundError("a list grows too long")
            drawn.append(item)
        return drawn
    return result


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that pays for what it works on, and keeps its hands off secrets."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        data = (*args, *kwargs.values())
        _spend(data)
        if name not in _PASS_SECRETS and any(map(_holds_secret, data)):
            raise SecretUsed
        if name == _CONCAT:
            list(map(_require, args[0]))
        result = function(*args, **kwargs)
        return result if isinstance(result, Sealed | jinja2.Undefined) else _settled(result)

    return guarded


def _require(value: Any) -> None:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, and says what is undefined


def _holds_secret(value: Any) -> bool:
    match value:
        case Sealed():
            return True
        case list():
            return any(map(_holds_secret, value))
        case dict():
            return any(map(_holds_secret, value.values()))
        case _:
            return False


class _Rewrite(NodeTransformer):
    """``a ~ b`` becomes a filter, so that it is counted like one."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 (jinja2's name)
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes, lineno=node.lineno), _CONCAT, [], [], None, None, lineno=node.lineno)


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    return _Environment()


@lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """An expression ready to run. Raises ExpressionError with the reason when it is none."""
    if len(source) > SOURCE_LIMIT:
        raise ExpressionError(f"the expression is longer than {SOURCE_LIMIT} characters")
    environment = _environment()
    try:
        parser = Parser(environment, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(f"unexpected {parser.stream.current.value!r} in {_shown(source)}")
        if any(_is_infinite(node) for node in [tree, *tree.find_all(nodes.Const)]):
            raise ExpressionError(f"{_shown(source)} holds a number that is too large")
        used = uses(tree)
        tree = _Rewrite().visit(tree)
        tree.set_environment(environment)
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), tree, lineno=1)]
        template = environment.from_string(nodes.Template(body, lineno=1))
    except jinja2.TemplateSyntaxError as error:
        raise ExpressionError(_syntax_message(source, error, environment)) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"{_shown(source)} is nested too deeply or holds a number too long") from None
    return Expression(source, used, TemplateExpression(template, undefined_to_none=False))


def _is_infinite(node: nodes.Node) -> bool:
    """``1e999``: jinja2 would write it as the name ``inf`` into the code that it compiles."""
    return isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value)


def _syntax_message(source: str, error: jinja2.TemplateSyntaxError, environment: _Environment) -> str:
    message = error.message or "syntax error"
    for kind, known in (("filter", environment.filters), ("test", environment.tests)):
        prefix = f"No {kind} named '"
        if message.startswith(prefix):
            word = message.removeprefix(prefix).split("'")[0]
            offered = [name for name in known if name.isidentifier()]
            return f"there is no {kind} {word!r} in templates{nearest(word, offered)}"
    message = message.replace("'end of template'", "end of the expression")
    return f"{_shown(source)} is no expression: {message}"


def _shown(source: str) -> str:
    """An expression as messages quote it."""
    return f"'${{{{ {source if len(source) <= 60 else source[:59] + '…'} }}}}'"


def evaluate(expression: Expression, names: Mapping[str, Any], missing: Mapping[str, str], *, is_secret: bool) -> Any:
    """The value of an expression whose names stand for opened values (str, list, dict, …, Sealed).

    ``missing``: for each other name it uses, what is said if its value is asked for. With ``is_secret``, messages of
    errors name no values. Raises ExpressionError, SecretUsed.
    """
    hidden = {name: StrictUndefined(hint=hint, name=name) for name, hint in missing.items() if name not in _GLOBALS}
    context = {**names, **hidden}
    token = _budget.set(Budget(is_secret=is_secret))
    try:
        result = expression.run(context)
        _spend((result,))
    except (SecretUsed, ExpressionError, TemplateProblem):
        raise  # a TemplateProblem: of a variable that ``vars`` had to render
    except (jinja2.UndefinedError, BoundError) as error:
        raise ExpressionError(str(error)) from None
    except _FAILURES as error:
        reason = type(error).__name__ if is_secret else str(error)[:200]
        raise ExpressionError(f"{_shown(expression.source)} cannot be evaluated: {reason}") from None
    finally:
        _budget.reset(token)
    if isinstance(result, jinja2.Undefined):
        raise ExpressionError(result._undefined_message)
    if isinstance(result, float) and not math.isfinite(result):
        raise ExpressionError(f"{_shown(expression.source)} is not a finite number")
    return result
