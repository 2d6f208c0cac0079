"""Sends the recorded requests of a sequence to imagegate, with its own versions and uids in place of placeholders."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.image_api_pairs.environment import image_api
from tests.image_api_pairs.pairs import Pair
from tests.support.certificates import Authority
from tests.support.service import Service

AT_ONCE = 3
_CONTINUES = {"s7b": "s7a"}
_LISTED_FOR = "s7a"
_PLACEHOLDER = re.compile(r"\$\{(rv|uid|cont|saved):([^}]*)\}")
_SAVE = "save rv"
_LARGE = re.compile(r"ImageStream (\S+) with annotation (\S+) = (\d+) times (\S)")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_NO_BODY_TYPE = ("GET", "DELETE")


@dataclass(frozen=True, slots=True)
class Got:
    """The answer of imagegate."""

    status: int
    headers: dict[str, str]
    content: bytes


class Replay:
    """One run from an empty store."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._continue = ""
        self._saved = ""

    def send(self, pair: Pair) -> Got:
        """The answer to one request."""
        headers = dict(pair.headers)
        content = self._content(pair, headers)
        answer = self._service.ask(pair.method, self._filled(pair.path), content, headers)
        self._remember(pair, answer.content)
        return Got(answer.status, answer.headers, answer.content)

    def _content(self, pair: Pair, headers: dict[str, str]) -> bytes | None:
        if pair.body is None:
            return None
        if not isinstance(pair.body, str):
            headers.setdefault("Content-Type", "application/json")
            return self._filled(json.dumps(_expanded(pair.body))).encode()
        if headers.get("Content-Type", "").startswith(_PROTOBUF):
            return base64.b64decode(pair.body)
        headers.setdefault("Content-Type", "application/json")
        return self._filled(pair.body).encode()

    def _filled(self, text: str) -> str:
        return _PLACEHOLDER.sub(self._value, text)

    def _value(self, found: re.Match[str]) -> str:
        what, path = found.groups()
        if what == "cont":
            return self._continue
        if what == "saved":
            return self._saved
        metadata = _object(self._service.get(path).content).get("metadata") or {}
        return str(metadata.get("resourceVersion" if what == "rv" else "uid") or "")

    def _remember(self, pair: Pair, content: bytes) -> None:
        metadata = _object(content).get("metadata")
        if not isinstance(metadata, dict):
            return
        self._continue = metadata.get("continue") or self._continue
        if pair.note == _SAVE:
            self._saved = metadata.get("resourceVersion") or ""


def replayed(pairs: Sequence[Pair], authority: Authority) -> list[tuple[Pair, Got]]:
    """The answers to every request of the sequences in ``pairs``, which are in order.

    Every sequence begins with an empty store, except those that continue another with a tighter allow list. Sequences
    do not share anything but the registries, which nobody writes to: some run at once.
    """
    sequences = list(dict.fromkeys(pair.sequence for pair in pairs))
    firsts = [name for name in sequences if name not in _CONTINUES]

    def run(first: str) -> list[tuple[Pair, Got]]:
        parts = (first, *(each for each in sequences if _CONTINUES.get(each) == first))
        return _run([[pair for pair in pairs if pair.sequence == part] for part in parts], authority)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [answer for answers in threads.map(run, firsts) for answer in answers]


def _run(parts: Sequence[Sequence[Pair]], authority: Authority) -> list[tuple[Pair, Got]]:
    """The answers to the parts of one sequence; imagegate is started again for each, over the same store."""
    answers: list[tuple[Pair, Got]] = []
    with tempfile.TemporaryDirectory() as folder:
        for wanted in parts:
            listed = _registries_named(wanted) if wanted[0].sequence == _LISTED_FOR else ()
            with image_api(Path(folder), authority, listed) as service:
                replay = Replay(service)
                answers += [(pair, replay.send(pair)) for pair in wanted]
    return answers


def needed(pairs: Sequence[Pair], sequence: str) -> list[Pair]:
    """The pairs of a sequence, after those of the sequence that it continues."""
    wanted = (_CONTINUES.get(sequence), sequence)
    return [pair for pair in pairs if pair.sequence in wanted]


def _registries_named(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Registry hosts in the bodies' image names."""
    hosts: dict[str, None] = {}
    for pair in pairs:
        for name in re.findall(r'"(?:name|dockerImageRepository)": "([^"/]+[.:][^"/]*)/', json.dumps(pair.body)):
            hosts[name] = None
    return tuple(hosts)


def _expanded(body: Any) -> Any:
    """The body; ``{"$large": ...}`` stands for a stream that is too long for a line."""
    if not isinstance(body, dict) or "$large" not in body:
        return body
    found = _LARGE.fullmatch(body["$large"])
    if found is None:
        raise ValueError(f"unknown body: {body}")
    name, key, times, letter = found.groups()
    metadata = {"name": name, "annotations": {key: letter * int(times)}}
    return {"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": metadata}


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
