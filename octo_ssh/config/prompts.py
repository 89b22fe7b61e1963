"""``{prompt: {text: …, default: …, secret: …}}``: reading it, and its answer as a value (SPEC section 2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from octo_ssh.config.document import Mapping, Node, Scalar
from octo_ssh.config.pieces import OPENING, TemplateProblem
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.secrets import SecretStore, why_unusable
from octo_ssh.model.values import Prompt, PromptSource, SecretRef
from octo_ssh.model.values import Scalar as ScalarValue

Answer = Callable[[Prompt], str | None]
"""Asks a person. None: nobody answered."""
_KEYS = ("text", "default", "secret")
_TRIES = 3
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_TRUE = frozenset({"true", "yes", "y"})
_FALSE = frozenset({"false", "no", "n"})


class _BadAnswer(ValueError):
    """An answer that is not what the question wants. The message goes after "the answer", and holds nothing of it."""


class Unanswered(TemplateProblem):
    """A variable is asked for, and nobody answered."""

    def __init__(self, name: str, prompt: Prompt) -> None:
        self.name = name
        super().__init__(prompt.position, f"'{name}' needs an answer: run it on a terminal, or add --var {name}=…")


def read_prompt(node: Node, problems: Problems) -> Prompt | None:
    """What stands at ``prompt:``; None after adding what is wrong with it."""
    if not isinstance(node, Mapping):
        problems.add(node.position, "'prompt' must be a map: {text: the question, default: …, secret: true}")
        return None
    before = len(problems)
    for key, entry in node.items.items():
        if key not in _KEYS:
            problems.add(
                entry.key, f"unknown key '{key}'" + (nearest(key, _KEYS) or f": known are {quoted_list(_KEYS)}")
            )
    text = _question(node, problems)
    secret = _is_secret(node.get("secret"), problems)
    given = node.get("default")
    default = None if given is None else _default(given, problems)
    if secret and given is not None:
        problems.add(given.position, "a secret has no default, because everybody could read it here: remove it")
    if len(problems) > before:
        return None
    return Prompt(text, default, given is not None, secret, node.position)


def _question(node: Mapping, problems: Problems) -> str:
    match node.get("text"):
        case None:
            problems.add(node.position, "the key 'text' is missing here: add the question")
        case Scalar(value=str(text)) if text.strip() and OPENING not in text:
            return " ".join(text.split())
        case wrong:
            problems.add(wrong.position, "'text' must be the question, as plain text")
    return ""


def _is_secret(node: Node | None, problems: Problems) -> bool:
    match node:
        case None:
            return False
        case Scalar(value=bool(value)):
            return value
        case _:
            problems.add(node.position, "'secret' must be true or false")
            return False


def _default(node: Node, problems: Problems) -> ScalarValue:
    match node:
        case Scalar(value=str(text)) if OPENING in text:
            problems.add(node.position, "'default' must be plain text: templates are not read here")
        case Scalar(value=value):
            return value
        case _:
            problems.add(node.position, "'default' must be text, a number, true or false")
    return None


def key_of(prompt: Prompt) -> object:
    """What makes two prompts one question."""
    return (prompt.text, prompt.secret, prompt.has_default, type(prompt.default), prompt.default)


def ask(name: str, prompt: Prompt, answer: Answer, store: SecretStore) -> ScalarValue | SecretRef:
    """The value of a variable, from a person; a secret one is kept in ``store``.

    A wrong answer is asked for again, with what is wrong in the question. Raises Unanswered where nobody answers and
    there is no default; TemplateProblem where the answers stay wrong.
    """
    why = ""
    for _ in range(_TRIES):
        said = answer(replace(prompt, text=f"{prompt.text} (the answer {why})") if why else prompt)
        if prompt.has_default and (said is None or not said.strip()):
            return prompt.default  # type: ignore[return-value]
        if said is None:
            raise Unanswered(name, prompt)
        try:
            return _secret(prompt, said, store) if prompt.secret else _value(prompt, said)
        except _BadAnswer as bad:
            why = str(bad)
    raise TemplateProblem(prompt.position, f"the answer for '{name}' {why}: say it with --var {name}=…")


def _secret(prompt: Prompt, said: str, store: SecretStore) -> SecretRef:
    if (why := why_unusable(said)) is not None:
        raise _BadAnswer(why)
    ref = SecretRef(PromptSource(prompt.text), prompt.position)
    store.remember(ref, said)
    return ref


def _value(prompt: Prompt, said: str) -> ScalarValue:
    """Of the kind of the default, where that is a number, true or false."""
    word = said.strip()
    match prompt.default:
        case bool():
            if word.casefold() in _TRUE | _FALSE:
                return word.casefold() in _TRUE
            raise _BadAnswer("must be true or false")
        case int():
            if _WHOLE.fullmatch(word):
                return int(word)
            raise _BadAnswer("must be a whole number")
        case float():
            if _NUMBER.fullmatch(word):
                return float(word)
            raise _BadAnswer("must be a number")
        case _ if not word:
            raise _BadAnswer("must not be empty")
        case _:
            return said
