"""Pull secrets: which user name and password go to which registry.

The two formats of Kubernetes (``.dockerconfigjson`` and the older ``.dockercfg``) and the kubelet's look-up: host with
port compared exactly, patterns within one label of the host, path prefixes on segment boundaries, the longest path
first, Docker Hub's names as one. Nothing here is chosen by a mere prefix of a text: ``registry.io`` never answers for
``registry.io.example.com``, nor ``registry.io/team`` for ``registry.io/teams/app``.
Source: kubernetes/kubernetes, pkg/credentialprovider (config.go, keyring.go).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagegate.core.references.openshift import DOCKER_HUB_HOSTS
from imagegate.core.registry.host_pattern import is_label_match, is_pattern
from imagegate.errors import InvalidInput

SECRET_MAX_BYTES = 1024 * 1024  # what Kubernetes stores at most in one Secret
SECRET_TYPES = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
EXCLUDE_ANNOTATION = "openshift.io/image.excludeSecret"
"""``"true"`` on a Secret: imports of its namespace do not use it."""
_CONFIG_KEY = ".dockerconfigjson"
_LEGACY_KEY = ".dockercfg"


class InvalidPullSecret(InvalidInput):
    """A Secret does not hold pull credentials in a known form."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and a password; the password is never shown.

    ``identity_token`` replaces the password where a token server issued one to ``docker login``.
    """

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PullSecretEntry:
    """One key of ``auths``, taken apart: ``host`` is ``HOST[:PORT]`` in lower case, ``path`` has no outer slashes."""

    host: str
    path: str
    credential: Credential

    def covers(self, registry: str, repository: str) -> bool:
        """True if the entry is for ``registry`` (``HOST[:PORT]``) and ``repository`` (``team/app``)."""
        if not _same_host(self.host, _normal_host(registry)):
            return False
        return not self.path or repository == self.path or repository.startswith(self.path + "/")


@dataclass(frozen=True, slots=True)
class PullSecret:
    """One Secret's entries. ``name`` is for messages only."""

    name: str
    entries: tuple[PullSecretEntry, ...]

    def credentials_for(self, registry: str, repository: str) -> tuple[Credential, ...]:
        """The credentials that may be sent to ``registry`` for ``repository``, the most specific first."""
        covering = [entry for entry in self.entries if entry.covers(registry, repository)]
        covering.sort(
            key=lambda entry: (entry.path.count("/") + 1 if entry.path else 0, not is_pattern(entry.host)), reverse=True
        )
        return tuple(dict.fromkeys(entry.credential for entry in covering))


def credentials_for(secrets: Sequence[PullSecret], registry: str, repository: str) -> tuple[Credential, ...]:
    """All credentials for a repository: secrets in their order, within a secret the longest path first."""
    found = (credential for secret in secrets for credential in secret.credentials_for(registry, repository))
    return tuple(dict.fromkeys(found))


def read_pull_secret(secret: Mapping[str, Any]) -> PullSecret:
    """Read a core/v1 Secret object (``data`` in base64, or ``stringData``).

    Raises:
        InvalidPullSecret: neither key is there, or its text has not the form it must have. Callers skip such a
            secret and log the text; it never denies by itself.
    """
    name = str((secret.get("metadata") or {}).get("name") or "")
    for key, read in ((_CONFIG_KEY, parse_docker_config_json), (_LEGACY_KEY, parse_dockercfg)):
        text = _secret_item(secret, key)
        if text is not None:
            return PullSecret(name, read(text))
    raise InvalidPullSecret(f"imagePullSecret {name} contains neither {_LEGACY_KEY} nor {_CONFIG_KEY}")


def parse_docker_configuration(text: bytes | str) -> tuple[PullSecretEntry, ...]:
    """Read a file of the kubelet or of Docker in either form. One without any credential is refused.

    Raises:
        InvalidPullSecret: it has neither form, or only names programs that would give the credentials.
    """
    document = _json_object(text)
    helpers = [key for key in ("credHelpers", "credsStore") if _member(document, key.lower())]
    auths = _member(document, "auths")
    is_modern = bool(helpers) or any(key.lower() == "auths" for key in document)
    found = _entries(({} if auths is None else auths) if is_modern else document)
    if not found:
        reason = f"{' and '.join(helpers)} are programs, which are not run" if helpers else "it holds no credentials"
        raise InvalidPullSecret(reason)
    return found


def parse_docker_config_json(text: bytes | str) -> tuple[PullSecretEntry, ...]:
    """Read ``{"auths": {KEY: {username, password, auth, ...}}}``; other members are ignored.

    Raises:
        InvalidPullSecret: not such a document.
    """
    document = _json_object(text)
    return _entries(_member(document, "auths") or {})


def parse_dockercfg(text: bytes | str) -> tuple[PullSecretEntry, ...]:
    """Read the older form, which is the ``auths`` object itself.

    Raises:
        InvalidPullSecret: not such a document.
    """
    return _entries(_json_object(text))


def _secret_item(secret: Mapping[str, Any], key: str) -> bytes | None:
    data, plain = secret.get("data"), secret.get("stringData")
    if isinstance(plain, Mapping) and isinstance(plain.get(key), str):
        return str(plain[key]).encode()
    if not isinstance(data, Mapping) or not isinstance(data.get(key), str):
        return None
    try:
        return base64.b64decode(data[key].replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPullSecret(f"{key} is not base64") from error


def _json_object(text: bytes | str) -> Mapping[str, Any]:
    if len(text) > SECRET_MAX_BYTES:
        raise InvalidPullSecret(f"more than {SECRET_MAX_BYTES} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPullSecret("pull secret is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidPullSecret("pull secret is not a JSON object")
    return document


def _entries(auths: object) -> tuple[PullSecretEntry, ...]:
    if not isinstance(auths, dict):
        raise InvalidPullSecret("auths is not a JSON object")
    entries = (_entry(key, value) for key, value in auths.items())
    return tuple(entry for entry in entries if entry is not None)


def _member(document: Mapping[str, Any], name: str) -> Any:
    """A member by its name in any case, the last one of several, as Go's decoder reads it."""
    return next((value for key, value in reversed(list(document.items())) if key.lower() == name), None)


def _entry(key: str, value: object) -> PullSecretEntry | None:
    """One entry; None where it has neither ``auth`` nor a user name (``{}`` is left behind by ``docker logout``)."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidPullSecret(f"auths[{key!r}] is not a JSON object")
    credential = _credential(value)
    if credential is None:
        return None
    host, path = _split_key(key)
    return PullSecretEntry(host, path, credential) if host else None


def _credential(value: Mapping[str, Any]) -> Credential | None:
    """``auth`` wins over the two fields if it decodes and has a colon; an identity token replaces the password."""
    auth, token = _member(value, "auth"), _member(value, "identitytoken")
    identity = token if isinstance(token, str) else ""
    if isinstance(auth, str) and auth:
        text = _decoded(auth)
        if ":" in text:
            user, _, password = text.partition(":")
            return Credential(user, password.rstrip("\0"), identity)
    username, password = _member(value, "username"), _member(value, "password")
    if isinstance(username, str) and username and (password is None or isinstance(password, str)):
        return Credential(username, password or "", identity)
    return Credential("", "", identity) if identity else None


def _decoded(auth: str) -> str:
    """The text of ``auth``: base64 with or without padding and line ends, as Go's decoder reads it."""
    compact = auth.strip().replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _split_key(key: str) -> tuple[str, str]:
    """``[http[s]://]HOST[:PORT][/PATH]`` -> host, path. A first segment ``v1`` or ``v2`` is the API, no repository."""
    text = key.strip()
    for scheme in ("https://", "http://"):
        if text.lower().startswith(scheme):
            text = text[len(scheme) :]
            break
    host, _, path = text.partition("/")
    api, _, below = path.partition("/")
    return _normal_host(host), (below if api in {"v1", "v2"} else path).strip("/")


def _normal_host(host: str) -> str:
    host = host.lower()
    return "docker.io" if host in DOCKER_HUB_HOSTS else host


def _same_host(pattern: str, host: str) -> bool:
    if not is_pattern(pattern) or pattern.startswith("["):  # [::1]:5000 is an address
        return pattern == host
    pattern_name, _, pattern_port = pattern.partition(":")
    name, _, port = host.partition(":")
    labels, names = pattern_name.split("."), name.split(".")
    if pattern_port != port or len(labels) != len(names):
        return False
    return all(is_label_match(name, label) for label, name in zip(labels, names, strict=True))
