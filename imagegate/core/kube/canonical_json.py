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
    return _form(value).encode()


def key_id(keytype: str, public: str) -> str:
    """The id of a public key: hex SHA-256 of the canonical form of the key without its private part.

    Args:
        public: the key's bytes in base64, as written in the metadata.
    """
    return hashlib.sha256(canonical_key(keytype, public)).hexdigest()


def canonical_key(keytype: str, public: str) -> bytes:
    """The canonical form of a public key, whose hash is its id."""
    return f'{{"keytype":{_text(keytype)},"keyval":{{"private":null,"public":{_text(public)}}}}}'.encode()


def _form(value: StrictValue) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Members):
        return _object(value)
    if isinstance(value, list):
        return f"[{','.join([_form(item) for item in value])}]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _integer(value)


def _object(members: Members) -> str:
    """Sorted by code points, which is the order of the UTF-8 bytes too."""
    values = dict(members)
    if len(values) != len(members):
        raise InvalidJson(f"member {members.first_repeated()!r} is repeated")
    parts = []
    for name in sorted(values):
        value = values[name]
        parts.append(f"{_text(name)}:{_text(value) if isinstance(value, str) else _form(value)}")
    return f"{{{','.join(parts)}}}"


def _text(text: str) -> str:
    if '"' in text or "\\" in text:
        text = text.translate(_ESCAPES)
    return f'"{text}"'


def _integer(value: float) -> str:
    if not value.is_integer():
        raise InvalidJson(f"{value!r} is not a whole number")
    if abs(value) > LARGEST_EXACT:
        raise InvalidJson(f"integer {value:.0f} is beyond 2**53")
    return str(int(value))
