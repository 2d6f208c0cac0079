"""Questions of the CISE path to a cluster and to registries, and its reading of Secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.pull_secrets import PullSecret, read_pull_secret
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
    """The manifest digest of a reference in its registry, ``sha256:`` and hex; for an index that of the index.

    Requested without credentials first, then with each that a secret has for the repository.
    """

    image: ImageReference
    secrets: tuple[PullSecret, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Computed once, because every look-up of a review hashes it; a frozen dataclass can be set in no other way.
        object.__setattr__(self, "_hash", hash((self.image, self.secrets)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class NeedsCredentials(Unknown):
    """The registry requires credentials, and there were none to send."""


class InvalidSecret(InvalidInput):
    """A Secret cannot be read."""


@dataclass(frozen=True, slots=True)
class SecretItem:
    """One item of a Secret, as a string; hashing it does not decode it."""

    key: str
    text: str = field(repr=False)
    encoded: bool

    @property
    def content(self) -> bytes:
        """The item's bytes.

        Raises:
            InvalidSecret: it is not base64.
        """
        if not self.encoded:
            return self.text.encode()
        try:
            return base64.b64decode("".join(self.text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidSecret(f"{self.key} is not base64") from error


def secret_item(secret: Mapping[str, Any], key: str) -> SecretItem | None:
    """One item of a Secret's ``stringData`` or ``data`` (base64); None where there is none."""
    for part in ("stringData", "data"):
        items = secret.get(part)
        if isinstance(items, Mapping) and isinstance(items.get(key), str):
            return SecretItem(key, items[key], part == "data")
    return None


def pull_secret(secret: Mapping[str, Any], name: str) -> PullSecret:
    """The pull credentials in a Secret; cached by the content of its items.

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
