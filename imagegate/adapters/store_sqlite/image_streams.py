"""The ports ``ImageStreams`` and ``Namespaces`` over the SQLite store.

Results are cached while nothing changes. SQLite itself reports changes (``PRAGMA data_version``, a look
into shared memory), so a change by any process, such as an annotation on an Image, takes effect with the next
review in every worker (after two milliseconds at most), and a repeated look-up costs no query.

Reviews call it in an event loop, so whatever reads the file is bounded (``Database.within``): a disk that stops
answering delays reviews once, by a second. Checking for changes reads no file unless there are some.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from imagegate.adapters.store_sqlite.database import set_aside
from imagegate.adapters.store_sqlite.objects import SqliteStore, data_version, kind_column
from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.image_streams import lookups as answers
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import JsonObject, RegistryHosts, with_computed_status
from imagegate.core.image_streams.terms import search_term
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference
from imagegate.ports.image_store import ObjectKey, StoreBusy, StoreError, StoreTimeout
from imagegate.ports.image_streams import ImageStreams, Namespaces

SOURCE = "store"
ANSWERS_KEPT = 512
FRESH_S = 0.002
READ_S = 1.0
"""Seconds until a read of the file counts as failed. An event loop waits for it, once: see ``BoundedReads``."""
_KINDS = frozenset(
    {kind_column(IMAGE_GROUP, "imagestreams"), kind_column(IMAGE_GROUP, "images"), kind_column("", "namespaces")}
)
_Answers = dict[Question, Lookup[Any]]


class StoredImageStreams:
    """See ``ports.image_streams``. The store must have been made with ``core.image_streams.terms``.

    Args:
        store: of the objects.
        hosts: names of the integrated registry.
        answers_kept: maximum number of results that each process caches.
    """

    def __init__(self, store: SqliteStore, hosts: RegistryHosts, *, answers_kept: int = ANSWERS_KEPT) -> None:
        self._store = store
        self._hosts = hosts
        self._answers_kept = answers_kept
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._noticed = -1
        self._version = 0
        self._answers: _Answers = {}
        self._fresh: tuple[float, int, _Answers] = (0.0, 0, self._answers)

    def snapshot(self) -> object | None:
        """A token that changes with every write: see ``Answers.snapshot``. None while the store cannot be read."""
        try:
            return self._valid_answers()
        except StoreError:
            return None

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[JsonObject]:
        """See the port."""
        return self._answer(question, deadline_s, lambda: self._stream_tag(question))

    def stream(self, question: Stream, *, deadline_s: float) -> Lookup[JsonObject]:
        """See the port."""
        found = partial(self._get_stream, question.namespace, question.name)
        return self._answer(question, deadline_s, lambda: answers.stream(question, found(), SOURCE))

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[JsonObject]:
        """See the port."""
        return self._answer(question, deadline_s, lambda: self._stream_image(question))

    def image(self, question: Image, *, deadline_s: float) -> Lookup[JsonObject]:
        """See the port."""
        return self._answer(
            question, deadline_s, lambda: answers.image(question, self._get_image(question.digest), SOURCE)
        )

    def pull_spec_holders(self, question: PullSpecHolders, *, deadline_s: float) -> Lookup[frozenset[str]]:
        """See the port."""
        return self._answer(
            question,
            deadline_s,
            lambda: answers.pull_spec_holders(question, self._streams_to_search(question.pull_spec), SOURCE),
        )

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[JsonObject]:
        """See the port."""
        key = ObjectKey("", "namespaces", "", question.name)
        return self._answer(question, deadline_s, lambda: answers.namespace(question, self._store.get(key), SOURCE))

    def _answer(self, question: Question, deadline_s: float, look_up: Callable[[], Lookup[Any]]) -> Lookup[Any]:
        try:
            kept = self._valid_answers()
            found = kept.get(question)
            if found is None:
                found = self._store.database.within(look_up, min(deadline_s, READ_S))
                self._cache_result(kept, question, found)
        except StoreError as error:
            return Unknown(str(error), retryable=isinstance(error, (StoreBusy, StoreTimeout)))
        return found

    def _cache_result(self, kept: _Answers, question: Question, found: Lookup[Any]) -> None:
        """Cache a result with the others of its version; if these were dropped meanwhile, it is dropped too."""
        with self._lock:
            if len(kept) >= self._answers_kept:
                kept.pop(next(iter(kept)))
            kept[question] = found

    def _valid_answers(self) -> _Answers:
        """The cached results that are valid now: all, or none if a stream, image or namespace has changed.

        The look-ups of one review check for changes once: again after ``FRESH_S``, or after a write of
        this process.
        """
        until, writes, kept = self._fresh
        if time.monotonic() < until and writes == self._store.writes:
            return kept
        writes = self._store.writes
        kept = self._checked_answers()
        self._fresh = time.monotonic() + FRESH_S, writes, kept
        return kept

    def _checked_answers(self) -> _Answers:
        with self._lock:
            if self._pid != os.getpid():
                if self._connection is not None:
                    set_aside(self._connection)
                self._reset()
            database = self._store.database
            if self._connection is None:
                self._connection = database.within(database.open_connection, READ_S)
            database.check_file()
            noticed = data_version(self._connection, database.path)
            if noticed != self._noticed:
                version, kinds = database.within(partial(self._store.changed_kinds, self._version), READ_S)
                if kinds is None or kinds & _KINDS or self._noticed < 0:
                    self._answers = {}
                self._noticed, self._version = noticed, version
            return self._answers

    def _stream_tag(self, question: StreamTag) -> Lookup[JsonObject]:
        wrong = answers.stream_tag_name_error(question)
        if wrong is not None:
            return wrong
        stream = self._get_stream(question.namespace, question.stream)
        return answers.stream_tag(question, stream, self._get_image, SOURCE)

    def _stream_image(self, question: StreamImage) -> Lookup[JsonObject]:
        wrong = answers.stream_image_name_error(question)
        if wrong is not None:
            return wrong
        stream = self._get_stream(question.namespace, question.stream)
        return answers.stream_image(question, stream, self._get_image, SOURCE)

    def _get_stream(self, namespace: str, name: str) -> JsonObject | None:
        found = self._store.get(ObjectKey(IMAGE_GROUP, "imagestreams", namespace, name))
        return None if found is None else with_computed_status(found, self._hosts)

    def _get_image(self, digest: str) -> JsonObject | None:
        return self._store.get(ObjectKey(IMAGE_GROUP, "images", "", digest))

    def _streams_to_search(self, pull_spec: str) -> list[JsonObject]:
        """Streams that may hold the pull spec: found by its image, else by its repository or by name."""
        try:
            asked = ImageReference.parse(pull_spec)
        except InvalidReference:
            return []
        found = [
            with_computed_status(stream, self._hosts)
            for stream in self._store.find(IMAGE_GROUP, "imagestreams", search_term(asked))
        ]
        if not asked.id and self._hosts.internal and asked.registry == self._hosts.internal:
            named = self._get_stream(asked.namespace, asked.name)
            found.extend([named] if named is not None else [])
        return found


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[ImageStreams], type[Namespaces]] = (StoredImageStreams, StoredImageStreams)
