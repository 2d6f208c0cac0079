"""The claims of a simple-signing signature: its authenticated payload, read strictly.

docs/spec/enforcement.md 13.5 steps 3 and 4; containers/image, docs/containers-signature.5.md. Errors of the
form are reported in the order and words of the original; only the JSON library's own wording differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imagegate.core.kube import strict_json
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.strict_json import InvalidJson, Members, StrictValue
from imagegate.core.references.docker import check_digest
from imagegate.errors import InvalidDigest, VerificationError

SIGNATURE_TYPE = "atomic container signature"
CACHED_MAX_BYTES = 2048

_INT64_END = 2.0**63


class InvalidClaims(VerificationError):
    """A payload is not that of a simple-signing signature; the message is shown to the user."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims in one authenticated payload. ``docker_reference`` is empty where the payload has null."""

    docker_manifest_digest: str
    docker_reference: str

    @classmethod
    def parse(cls, payload: bytes) -> Claims:
        """Read a payload strictly: every member known, none missing, none twice.

        Raises:
            InvalidClaims: with the original's message, unless that comes from its JSON library.
        """
        return _parse_cached(payload) if len(payload) <= CACHED_MAX_BYTES else _parse(payload)


def _parse(payload: bytes) -> Claims:
    try:
        document = strict_json.parse(payload)
    except InvalidJson as error:
        raise InvalidClaims(f"payload is not JSON: {error}") from error
    top = _exactly(document, ("critical", "optional"))
    _check_optional(top["optional"])
    critical = _exactly(top["critical"], ("type", "image", "identity"))
    kind = _string(critical["type"])
    if kind != SIGNATURE_TYPE:
        raise InvalidClaims(f"Unrecognized signature type {kind}")
    image = _exactly(critical["image"], ("docker-manifest-digest",))
    digest = _digest(image["docker-manifest-digest"])
    identity = _exactly(critical["identity"], ("docker-reference",))
    return Claims(digest, _string(identity["docker-reference"]))


_parse_cached = lru_cache(maxsize=4096)(_parse)  # every review reads the same signatures


def _object(value: StrictValue) -> Members:
    if not isinstance(value, Members):
        raise InvalidClaims(f"JSON object expected, got {_go_token(value)}")
    return value


def _exactly(value: StrictValue, names: Sequence[str]) -> dict[str, StrictValue]:
    """The members of an object that has all of ``names`` and nothing else."""
    members: dict[str, StrictValue] = {}
    for name, member in _object(value):
        if name in members:
            raise InvalidClaims(f"Duplicate key {go_quote(name)}")
        if name not in names:
            raise InvalidClaims(f"Unknown key {go_quote(name)}")
        members[name] = member
    for name in names:
        if name not in members:
            raise InvalidClaims(f"Key {go_quote(name)} missing in a JSON object")
    return members


def _check_optional(value: StrictValue) -> None:
    """``optional`` may have any member; two have a type. Repeats matter at its own level only."""
    members = _object(value)
    repeated = members.first_repeated()
    if repeated is not None:
        raise InvalidClaims(f"Duplicate key {go_quote(repeated)}")
    optional = dict(members)
    _string(optional.get("creator"))
    timestamp = optional.get("timestamp")
    if timestamp is None:
        return
    if isinstance(timestamp, bool) or not isinstance(timestamp, float):
        raise InvalidClaims(f"json: cannot unmarshal {_go_kind(timestamp)} into Go value of type float64")
    if not timestamp.is_integer() or not -_INT64_END <= timestamp < _INT64_END:
        raise InvalidClaims("Field optional.timestamp is not an integer")


def _string(value: StrictValue) -> str:
    """A string; null counts as the empty string."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidClaims(f"json: cannot unmarshal {_go_kind(value)} into Go value of type string")
    return value


def _digest(value: StrictValue) -> str:
    digest = _string(value)
    try:
        check_digest(digest)
    except InvalidDigest as error:
        raise InvalidClaims(f"invalid docker-manifest-digest value {go_quote(digest)}: {error}") from error
    return digest


def _go_kind(value: StrictValue) -> str:
    """Name of a value's type in errors of Go's JSON decoder."""
    if isinstance(value, Members):
        return "object"
    names = {list: "array", bool: "bool", float: "number", str: "string"}
    return names.get(type(value), "null")


def _go_token(value: StrictValue) -> str:
    """A value's first token as Go prints it with ``%#v``; a bracket is its character's number."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(ord("["))
