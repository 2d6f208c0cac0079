"""What an answer must have in common with the original's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.image_api_pairs.pairs import Pair
from tests.image_api_pairs.replay import Got

HEADERS = ("content-type", "warning", "retry-after", "x-content-type-options")
_MAGIC = "k8s\x00"
_BINARY = "application/vnd.kubernetes.protobuf"
_PATTERNS = {
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "<uid>": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<uuid>": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<rv>": r"\d+",
    ",<managedFields>,": r',\\+"managedFields\\+":\[.*\]\},',
    "<hash>": r"[0-9A-Fa-f]+",
    "<age>": r"(?:Less than a|About an?|\d+) \w+ ago|(?:\d+[smhdy])+",
    "<continue>": r".+",
}
_ANY = ("<uid>", "<rv>")
"""Put in place of every value of these fields, also of those that a client invented."""
_PLACEHOLDER = re.compile("|".join(map(re.escape, _PATTERNS)))


def differences(pair: Pair, got: Got, *, with_owners: bool = False) -> list[str]:
    """Every difference as ``PLACE: expected ..., got ...``; empty if the answers agree.

    Args:
        pair: the request with the original's answer.
        got: the own answer.
        with_owners: compare ``managedFields``; most recordings have none.
    """
    found = []
    if pair.status != got.status:
        found.append(f"status: expected {pair.status}, got {got.status}")
    for name in HEADERS:
        expected, own = pair.response_headers.get(name, ""), got.headers.get(name, "")
        if not _same_text(expected, own):
            found.append(f"{name}: expected {expected!r}, got {own!r}")
    own_body = body_of(got)
    shown = _with_sorted_owners(own_body) if with_owners else _without_owners(own_body)
    expected = _with_sorted_owners(_without_length(pair.response))
    return [*found, *_compared("", _in_order(expected), _in_order(shown))]


def _without_length(body: Any) -> Any:
    """A recorded answer in protobuf without its beginning, unless that is the mark of an object."""
    if not isinstance(body, dict) or "binary" not in body or body["prefix"] == _MAGIC:
        return body
    return {**body, "prefix": ""}


def body_of(got: Got) -> Any:
    """The body in the form of the recordings: an object, the events of a watch, or text."""
    if got.headers.get("content-type", "").startswith(_BINARY):
        prefix = got.content[:4].decode("latin-1")  # in a watch the length of the first event, which differs
        return {"binary": "bytes", "prefix": prefix if prefix == _MAGIC else ""}
    text = got.content.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return text
    return {"events": lines} if len(lines) > 1 else lines[0] if lines else ""


def _without_owners(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_owners(each) for key, each in value.items() if key != "managedFields"}
    return [_without_owners(each) for each in value] if isinstance(value, list) else value


def _in_order(body: Any) -> Any:
    """A Status with its causes sorted: the original's order is random where several tags are wrong."""
    if not isinstance(body, dict) or body.get("kind") != "Status":
        return body
    causes = (body.get("details") or {}).get("causes")
    if not causes or len(causes) == 1:
        return body
    ordered = sorted(causes, key=lambda cause: json.dumps(cause, sort_keys=True))
    start, bracket, listed = str(body.get("message") or "").partition(": [")
    message = f"{start}{bracket}{sorted(listed.removesuffix(']').split(', '))}"
    return {**body, "message": message, "details": {**body["details"], "causes": ordered}}


def _with_sorted_owners(value: Any) -> Any:
    """The value with owners in an order that does not depend on the second in which each wrote."""
    if isinstance(value, list):
        return [_with_sorted_owners(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: sorted(each, key=_owner)
        if key == "managedFields" and isinstance(each, list)
        else _with_sorted_owners(each)
        for key, each in value.items()
    }


def _owner(entry: Mapping[str, Any]) -> str:
    return json.dumps([entry.get(key) for key in ("manager", "operation", "subresource")])


def _compared(path: str, expected: Any, got: Any) -> Iterator[str]:
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in expected.keys() | got.keys():
            at = f"{path}.{key}"
            if key not in got:
                yield f"{at}: expected {_short(expected[key])}, got nothing"
            elif key not in expected:
                yield f"{at}: expected nothing, got {_short(got[key])}"
            else:
                yield from _compared(at, expected[key], got[key])
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield f"{path}: expected {len(expected)} entries, got {len(got)}"
        for index, (one, other) in enumerate(zip(expected, got, strict=False)):
            yield from _compared(f"{path}[{index}]", one, other)
    elif isinstance(expected, str) and isinstance(got, str):
        if not _same_text(expected, got):
            yield f"{path}: expected {_short(expected)}, got {_short(got)}"
    elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
        yield f"{path}: expected {_short(expected)}, got {_short(got)}"


def _same_text(expected: str, got: str) -> bool:
    if expected == got:
        return True
    if _PLACEHOLDER.search(expected) is None:
        return False
    if expected in _ANY:
        return bool(got)
    parts, at = [], 0
    for found in _PLACEHOLDER.finditer(expected):
        parts += [re.escape(expected[at : found.start()]), _PATTERNS[found[0]]]
        at = found.end()
    return re.fullmatch("".join([*parts, re.escape(expected[at:])]), got, re.DOTALL) is not None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 600 else f"{text[:600]}..."
