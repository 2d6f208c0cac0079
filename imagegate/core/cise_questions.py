"""What the CISE path asks of a cluster and of registries, and how it reads Secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from imagegate.core.evidence import Lookup, OutOfTime, Unknown
from imagegate.core.plugin import Answers, Question
from imagegate.core.pull_secrets import PullSecret, read_pull_secret
from imagegate.core.reference import ImageReference
from imagegate.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Secret(Question):
    """The core/v1 Secret: ``Found`` of the object as JSON."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ServiceAccount(Question):
    """The core/v1 ServiceAccount: ``Found`` of the object as JSON."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ManifestDigest(Question):
    """The digest of what a reference names in its registry, ``sha256:`` and hex; for a list that of the list.

    Asked without credentials first, then with each that a secret has for the repository.
    """

    image: ImageReference
    secrets: tuple[PullSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedsCredentials(Unknown):
    """The registry wants credentials and there were none to send."""


class Asking:
    """Reads answers and notes what is not answered yet, so that asking and deciding are one piece of code.

    Args:
        answers: what is known.
        final: whether this is the decision: what is not known then counts as out of time.
    """

    __slots__ = ("_answers", "_final", "missing")

    def __init__(self, answers: Answers, *, final: bool) -> None:
        self._answers = answers
        self._final = final
        self.missing: list[Question] = []

    def __call__(self, question: Question) -> Lookup[Any] | None:
        """The answer; None where it must be awaited."""
        answer = self._answers.get(question)
        if answer is None:
            if self._final:
                return OutOfTime("not looked up in time")
            self.missing.append(question)
        return answer


class InvalidSecret(InvalidInput):
    """A Secret is not one."""


def secret_item(secret: Mapping[str, Any], key: str) -> bytes | None:
    """One item of a Secret's ``data`` (base64) or ``stringData``; None where there is none.

    Raises:
        InvalidSecret: it is not base64.
    """
    plain, data = secret.get("stringData"), secret.get("data")
    if isinstance(plain, Mapping) and isinstance(plain.get(key), str):
        return str(plain[key]).encode()
    if not isinstance(data, Mapping) or not isinstance(data.get(key), str):
        return None
    try:
        return base64.b64decode("".join(data[key].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSecret(f"{key} is not base64") from error


def pull_secret(secret: Mapping[str, Any], name: str) -> PullSecret:
    """The pull credentials in a Secret; what was read once is remembered by its text.

    Raises:
        InvalidPullSecret: it holds none that can be read.
    """
    texts: list[tuple[str, str, str]] = []
    for part in ("data", "stringData"):
        items = secret.get(part)
        if isinstance(items, Mapping):
            keys = (".dockerconfigjson", ".dockercfg")
            texts += [(part, key, items[key]) for key in keys if isinstance(items.get(key), str)]
    return _pull_secret(name, tuple(texts))


@lru_cache(maxsize=1024)
def _pull_secret(name: str, texts: tuple[tuple[str, str, str], ...]) -> PullSecret:
    secret: dict[str, Any] = {"metadata": {"name": name}}
    for part, key, text in texts:
        secret.setdefault(part, {})[key] = text
    return read_pull_secret(secret)
