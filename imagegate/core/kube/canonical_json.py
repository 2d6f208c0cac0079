r"""Canonical JSON as Notary signs it, and the key ids that are hashes of it (docs/spec/enforcement.md 12.7).

No white space, members sorted by the bytes of their names, only ``"`` and ``\`` escaped, whole numbers only.
The original's numbers pass through a 64-bit float; what would change or overflow there is refused here.
"""

from __future__ import annotations

import hashlib

from imagegate.core.kube import strict_json
from imagegate.core.kube.strict_json import InvalidJson, Members, StrictValue

LARGEST_EXACT = 2**53

_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})


def canonical(text: str | bytes) -> bytes:
    """The canonical form of a JSON text, as UTF-8.

    Raises:
        InvalidJson: not JSON, repeated member, fraction, or an integer beyond 2**53.
    """
    return encode(strict_json.parse(text))


def encode(value: StrictValue) -> bytes:
    """The canonical form of a value that ``strict_json.parse`` gave.

    Raises:
        InvalidJson: repeated member, fraction, or an integer beyond 2**53.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode()


def key_id(keytype: str, public: str) -> str:
    """The id of a public key: hex SHA-256 of the canonical form of the key without its private part.

    Args:
        public: the key's bytes in base64, as written in the metadata.
    """
    return hashlib.sha256(canonical_key(keytype, public)).hexdigest()


def canonical_key(keytype: str, public: str) -> bytes:
    """The canonical form of a public key, whose hash is its id."""
    keyval = Members((("private", None), ("public", public)))
    return encode(Members((("keytype", keytype), ("keyval", keyval))))


def _write(value: StrictValue, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(_text(value))
    elif isinstance(value, Members):
        _write_object(value, parts)
    elif isinstance(value, list):
        parts.append("[")
        for index, item in enumerate(value):
            if index:
                parts.append(",")
            _write(item, parts)
        parts.append("]")
    elif value is None:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    else:
        parts.append(_integer(value))


def _write_object(members: Members, parts: list[str]) -> None:
    repeated = members.first_repeated()
    if repeated is not None:
        raise InvalidJson(f"member {repeated!r} is repeated")
    parts.append("{")
    for index, (name, value) in enumerate(sorted(members, key=lambda member: member[0].encode())):
        if index:
            parts.append(",")
        parts.append(f"{_text(name)}:")
        _write(value, parts)
    parts.append("}")


def _text(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _integer(value: float) -> str:
    if not value.is_integer():
        raise InvalidJson(f"{value!r} is not a whole number")
    if abs(value) > LARGEST_EXACT:
        raise InvalidJson(f"integer {value:.0f} is beyond 2**53")
    return str(int(value))
