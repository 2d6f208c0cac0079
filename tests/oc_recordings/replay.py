"""Recorded requests sent again. Names that the server makes (uids, versions) are translated as they come back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from imagegate.web.image_api import protobuf
from imagegate.web.image_api.messages import message_class
from tests.support.image_api import Api

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "oc"
FRAME_HEAD = 4
_BY_UID = 'k:{"uid"'
"""Begin of the keys of owner references in managedFields."""
_WATCH = re.compile(r"[?&]watch=(true|1)")


def scenarios() -> list[str]:
    """The names of the recorded scenarios.

    Raises:
        FileNotFoundError: nothing is recorded.
    """
    found = sorted(path.stem for path in VECTORS.glob("*.jsonl"))
    if not found:
        raise FileNotFoundError(f"no recordings in {VECTORS}")
    return found


def exchanges(scenario: str) -> Iterator[dict[str, Any]]:
    """Each request with its answer, in order: ``command``, ``method``, ``path``, ``headers``, ``status``, ``response``,
    and ``body``, ``protobuf`` or ``bytes``."""
    for line in (VECTORS / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def write(scenario: str, found: Iterable[dict[str, Any]]) -> None:
    """Write the file of a scenario."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    lines = (f"{json.dumps(each, ensure_ascii=False)}\n" for each in found)
    (VECTORS / f"{scenario}.jsonl").write_text("".join(lines), encoding="utf-8")


class Replay:
    """One scenario against an API with an empty store."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._now_called: dict[str, str] = {}
        """What the recorded names are called here."""

    def send(self, exchange: dict[str, Any]) -> list[str]:
        """Send a request; the differences of its answer, ``PLACE: expected X, got Y``."""
        return list(self._compared(exchange, self._asked(exchange)))

    def accepted(self, exchange: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Send a request; the exchange with the names and the answer of now, and what is different about it."""
        sent: dict[str, Any] = {
            name: self._translated(exchange[name]) for name in ("path", "body", "protobuf") if name in exchange
        }
        status, response = answer = self._asked(exchange)
        return {**exchange, **sent, "status": status, "response": response}, list(self._compared(exchange, answer))

    def _asked(self, exchange: dict[str, Any]) -> tuple[int, Any]:
        path, headers = self._translated(exchange["path"]), dict(exchange["headers"])
        content = self._translated(exchange.get("body", "")).encode("utf-8")
        if "bytes" in exchange:
            content = base64.b64decode(exchange["bytes"])
        if "protobuf" in exchange:
            content = protobuf.encode(json.loads(self._translated(exchange["protobuf"]))) or b""
        answer = self._api.client.open(path, method=exchange["method"], data=content, headers=headers, buffered=False)
        with answer:
            if _WATCH.search(path) and answer.status_code == 200:
                events = zip(
                    exchange["response"], watch_events(answer.iter_encoded(), answer.content_type), strict=False
                )
                return answer.status_code, [event for _, event in events]
            return answer.status_code, decoded(answer.get_data())

    def _compared(self, exchange: dict[str, Any], answer: tuple[int, Any]) -> Iterator[str]:
        status, got = answer
        if status != exchange["status"]:
            yield f"status: expected {exchange['status']}, got {status}: {got!r:.500}"
        else:
            yield from self._differences(exchange["response"], got, "")

    def _translated(self, text: str) -> str:
        for name, here in self._now_called.items():
            if name in text:
                text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", here, text)
        return text

    def _differences(self, wanted: Any, got: Any, place: str) -> Iterator[str]:
        if isinstance(wanted, dict) and isinstance(got, dict):
            wanted = {self._translated(key) if key.startswith(_BY_UID) else key: each for key, each in wanted.items()}
            for key in sorted(wanted.keys() | got.keys()):
                here = f"{place}.{key}"
                if self._is_made(key, wanted.get(key), got.get(key), wanted):
                    continue
                yield from self._differences(wanted.get(key), got.get(key), here)
        elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
            for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
                yield from self._differences(one, other, f"{place}[{index}]")
        elif isinstance(wanted, str) and isinstance(got, str):
            if self._translated(wanted) != got:
                yield f"{place}: expected {wanted!r:.300}, got {got!r:.300}"
        elif wanted != got or isinstance(wanted, bool) is not isinstance(got, bool):
            yield f"{place}: expected {wanted!r:.300}, got {got!r:.300}"

    def _is_made(self, key: str, wanted: Any, got: Any, owner: dict[str, Any]) -> bool:
        """True if the server made both values; the second is what the first is called from now on."""
        made = key in ("uid", "resourceVersion", "continue") or (key == "name" and "generateName" in owner)
        if not made or not isinstance(wanted, str) or not isinstance(got, str) or not wanted or not got:
            return False
        self._now_called[wanted] = got
        return True


def decoded(content: bytes) -> Any:
    """An answer: JSON, protobuf as JSON, or text."""
    if content.startswith(protobuf.MAGIC):
        return protobuf.decode(content)
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode("utf-8", "replace")


def watch_events(pieces: Iterable[bytes], content_type: str) -> Iterator[Any]:
    """The events of a watch as they come: lines of JSON, or protobuf after its length in four bytes."""
    take = _frames if content_type.startswith(protobuf.MEDIA_TYPE) else _lines
    rest = b""
    for piece in pieces:
        events, rest = take(rest + piece)
        yield from events


def _lines(content: bytes) -> tuple[list[Any], bytes]:
    *lines, rest = content.split(b"\n")
    return [json.loads(line) for line in lines if line], rest


def _frames(content: bytes) -> tuple[list[Any], bytes]:
    events = []
    while len(content) >= FRAME_HEAD and len(content) >= (
        end := FRAME_HEAD + int.from_bytes(content[:FRAME_HEAD], "big")
    ):
        event = message_class("WatchEvent").FromString(content[FRAME_HEAD:end])
        events.append({"type": event.f1, "object": protobuf.decode(event.f2.f1)})
        content = content[end:]
    return events, content
