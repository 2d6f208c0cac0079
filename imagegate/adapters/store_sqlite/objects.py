"""The port ``ImageStore`` over SQLite. Every look-up goes through an index: it costs the same in a full store."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from imagegate.adapters.store_sqlite.database import Database, translated
from imagegate.ports.image_store import (
    Change,
    Changes,
    ChangesExpired,
    ChangeType,
    Collection,
    ImageStore,
    ObjectChanged,
    ObjectExists,
    ObjectKey,
    ObjectMissing,
    Page,
    StoreFull,
)

CHANGES_KEPT = 10_000
TRIM_EVERY = 500
LIST_CHUNK = 500
GROWTH_IN_FULL_STORE_BYTES = 1024
"""Bytes that an update may add to an object on a full disk."""
SMALL_CHANGE_BYTES = 16 * 1024
_IN_BRIEF = frozenset({"name", "namespace", "uid", "labels", "creationTimestamp", "generation"})
TermsOf = Callable[[str, str, dict[str, Any]], Iterable[str]]
"""(group, resource, object) -> its search terms."""


class _Row(NamedTuple):
    id: int
    version: int
    body: bytes


def kind_column(group: str, resource: str) -> str:
    """The key of a resource in the database."""
    return f"{resource}.{group}" if group else resource


class SqliteStore:
    """See ``ports.image_store.ImageStore``.

    Args:
        database: the file.
        terms_of: search terms of an object for ``find``, computed on every write.
        now: the clock, for ``creationTimestamp``.
        changes_kept: number of changes that a watcher may fall behind.
    """

    def __init__(
        self,
        database: Database,
        *,
        terms_of: TermsOf | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        changes_kept: int = CHANGES_KEPT,
    ) -> None:
        self.database = database
        self._terms_of = terms_of
        self._now = now
        self._changes_kept = changes_kept
        self.writes = 0
        """Number of writes that this process has begun."""

    def create(self, key: ObjectKey, body: dict[str, Any]) -> dict[str, Any]:
        """See the port."""
        with self.database.transaction(grows_by=2 * len(_encoded(body))) as connection:
            if _row(connection, key) is not None:
                raise ObjectExists(f"{kind_column(key.group, key.resource)} {key.name} exists")
            return self._insert(connection, key, body)

    def create_missing(self, objects: Iterable[tuple[ObjectKey, dict[str, Any]]]) -> int:
        """See the port. One transaction."""
        missing = ((key, body) for key, body in objects if not self._has_row(key))  # never all bodies in memory at once
        first = next(missing, None)
        if first is None:
            return 0
        created = 0
        with self.database.transaction(grows_by=2 * len(_encoded(first[1]))) as connection:
            for key, body in chain((first,), missing):
                if _row(connection, key) is None:
                    self._insert(connection, key, body)
                    created += 1
        return created

    def _has_row(self, key: ObjectKey) -> bool:
        with self.database.reading_once() as connection:
            return _row(connection, key) is not None

    def _insert(self, connection: sqlite3.Connection, key: ObjectKey, body: dict[str, Any]) -> dict[str, Any]:
        metadata = dict(body.get("metadata") or {})
        metadata["uid"] = metadata.get("uid") or str(uuid.uuid4())
        if not metadata.get("creationTimestamp"):
            metadata["creationTimestamp"] = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {**body, "metadata": metadata}
        text = _encoded(body)
        version = self._record_change(connection, key, ChangeType.ADDED, None, text)
        cursor = connection.execute(
            "INSERT INTO objects (kind, namespace, name, version, body) VALUES (?, ?, ?, ?, ?)",
            (*_columns(key), version, text),
        )
        self._write_terms(connection, int(cursor.lastrowid or 0), key, body)
        return _decoded(text, version)

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """See the port."""
        with self.database.reading_once() as connection:
            row = _row(connection, key)
        return None if row is None else _decoded(row.body, row.version)

    def update(self, key: ObjectKey, body: dict[str, Any], *, version: str) -> dict[str, Any]:
        """See the port. On a full disk small changes are still written: annotations, and tags that are removed."""
        text = _encoded(body)
        try:
            with self.database.transaction(grows_by=2 * len(text)) as connection:
                return self._replace(connection, key, body, text, version)
        except StoreFull:
            with self.database.with_reserve(), self.database.transaction() as connection:
                row = _expected_row(connection, key, version)
                if len(text) > len(row.body) + GROWTH_IN_FULL_STORE_BYTES:
                    raise
                _forget_changes(connection, 2 * len(text))
                return self._replace(connection, key, body, text, version)

    def _replace(
        self, connection: sqlite3.Connection, key: ObjectKey, body: dict[str, Any], text: bytes, version: str
    ) -> dict[str, Any]:
        row = _expected_row(connection, key, version)
        before = orjson.loads(row.body)
        if before == orjson.loads(text):
            return _decoded(row.body, row.version)
        new_version = self._record_change(connection, key, ChangeType.MODIFIED, before, text)
        connection.execute("UPDATE objects SET version = ?, body = ? WHERE id = ?", (new_version, text, row.id))
        self._write_terms(connection, row.id, key, body)
        return _decoded(text, new_version)

    def delete(self, key: ObjectKey, *, version: str | None = None, uid: str | None = None) -> dict[str, Any]:
        """See the port. On a full disk watchers get only the object's name."""
        try:
            with self.database.transaction() as connection:
                return self._delete(connection, key, version, uid, lambda row: row.body)
        except StoreFull:
            with self.database.with_reserve(), self.database.transaction() as connection:
                _forget_changes(connection, SMALL_CHANGE_BYTES)
                return self._delete(connection, key, version, uid, _in_brief)

    def _delete(
        self,
        connection: sqlite3.Connection,
        key: ObjectKey,
        version: str | None,
        uid: str | None,
        noted: Callable[[_Row], bytes],
    ) -> dict[str, Any]:
        row = _expected_row(connection, key, version)
        before = orjson.loads(row.body)
        if uid is not None and (before.get("metadata") or {}).get("uid") != uid:
            raise ObjectChanged(f"{kind_column(key.group, key.resource)} {key.name} has another uid")
        connection.execute("DELETE FROM objects WHERE id = ?", (row.id,))  # first: its room is used again
        new_version = self._record_change(connection, key, ChangeType.DELETED, before, noted(row))
        return _decoded(row.body, new_version)

    def list_objects(
        self,
        collection: Collection,
        *,
        limit: int = 0,
        after: tuple[str, str] | None = None,
        matches: Callable[[dict[str, Any]], bool] | None = None,
    ) -> Page:
        """See the port."""
        items: list[dict[str, Any]] = []
        with self.database.reading() as connection:
            version = _latest_version(connection)
            at_once = min(limit + 1, LIST_CHUNK) if limit else LIST_CHUNK
            for found in _objects(connection, collection, after, at_once):
                if matches is not None and not matches(found):
                    continue
                if limit and len(items) == limit:
                    return Page(tuple(items), str(version), _name_of(items[-1]))
                items.append(found)
        return Page(tuple(items), str(version), None)

    def count_after(self, collection: Collection, after: tuple[str, str]) -> int:
        """See the port."""
        where, values = _selection(collection, after)
        with self.database.reading() as connection:
            count = f"SELECT count(*) FROM objects {where}"  # noqa: S608 - values are bound
            return int(connection.execute(count, values).fetchone()[0])

    def changes(self, since: str, collection: Collection | None = None, *, limit: int) -> Changes:
        """See the port."""
        after = _version_number(since)
        select = "SELECT version, kind, namespace, name, type, labels_before, body FROM changes WHERE version > ?"
        values: list[int | str] = [after]
        if collection is not None:
            select += " AND kind = ?"
            values.append(kind_column(collection.group, collection.resource))
            if collection.namespace is not None:
                select += " AND namespace = ?"
                values.append(collection.namespace)
        with self.database.reading() as connection:
            latest = _latest_version(connection)
            if after > latest:
                raise ChangesExpired(f"Too large resource version: {after}, current: {latest}")
            if after < _oldest_known(connection):
                raise ChangesExpired(f"too old resource version: {after} ({_oldest_known(connection)})")
            rows = connection.execute(f"{select} ORDER BY version LIMIT ?", [*values, limit]).fetchall()
        return Changes(tuple(_change(*row) for row in rows), rows[-1][0] if len(rows) == limit else latest)

    def knows(self, version: str) -> bool:
        """See the port."""
        return int(version) <= int(self.version())

    @contextmanager
    def commits(self) -> Iterator[Callable[[], object]]:
        """See the port."""
        with self.database.own_connection() as connection:
            yield lambda: data_version(connection, self.database.path)

    def version(self) -> str:
        """See the port."""
        with self.database.reading_once() as connection:
            return str(_latest_version(connection))

    def kinds(self) -> list[tuple[str, str]]:
        """See the port."""
        with self.database.reading_once() as connection:
            rows = connection.execute("SELECT DISTINCT kind FROM objects").fetchall()
        return sorted((group, resource) for resource, _, group in (kind.partition(".") for (kind,) in rows))

    def find(self, group: str, resource: str, term: str) -> list[dict[str, Any]]:
        """See the port."""
        with self.database.reading_once() as connection:
            rows = connection.execute(
                "SELECT o.version, o.body FROM terms t JOIN objects o ON o.id = t.object"
                " WHERE t.term = ? AND o.kind = ? ORDER BY o.namespace, o.name",
                (term, kind_column(group, resource)),
            ).fetchall()
        return [_decoded(body, version) for version, body in rows]

    def trouble(self) -> str:
        """See the port."""
        return self.database.trouble()

    def release(self) -> None:
        """See the port."""
        self.database.close()

    def changed_kinds(self, since: int) -> tuple[int, frozenset[str] | None]:
        """The current version, and the resources that changed after ``since``; None if these are no longer stored."""
        with self.database.reading() as connection:
            latest = _latest_version(connection)
            if since < _oldest_known(connection):
                return latest, None
            rows = connection.execute("SELECT DISTINCT kind FROM changes WHERE version > ?", (since,)).fetchall()
        return latest, frozenset(kind for (kind,) in rows)

    def _record_change(
        self,
        connection: sqlite3.Connection,
        key: ObjectKey,
        type_: ChangeType,
        before: dict[str, Any] | None,
        text: bytes,
    ) -> int:
        """Record the change; its number is the new resource version."""
        self.writes += 1
        labels = ((before or {}).get("metadata") or {}).get("labels")
        cursor = connection.execute(
            "INSERT INTO changes (kind, namespace, name, type, labels_before, body) VALUES (?, ?, ?, ?, ?, ?)",
            (*_columns(key), type_.value, orjson.dumps(labels) if labels else None, text),
        )
        version = int(cursor.lastrowid or 0)
        if version % TRIM_EVERY == 0:
            connection.execute("DELETE FROM changes WHERE version <= ?", (version - self._changes_kept,))
        return version

    def _write_terms(self, connection: sqlite3.Connection, id_: int, key: ObjectKey, body: dict[str, Any]) -> None:
        if self._terms_of is None:
            return
        terms = set(self._terms_of(key.group, key.resource, body))
        known = {term for (term,) in connection.execute("SELECT term FROM terms WHERE object = ?", (id_,))}
        connection.executemany(
            "DELETE FROM terms WHERE term = ? AND object = ?", [(gone, id_) for gone in known - terms]
        )
        connection.executemany("INSERT INTO terms (term, object) VALUES (?, ?)", [(new, id_) for new in terms - known])


def _change(
    version: int, kind: str, namespace: str, name: str, type_: str, labels_before: bytes | None, body: bytes
) -> Change:
    resource, _, group = kind.partition(".")
    labels = orjson.loads(labels_before) if labels_before else {}
    key = ObjectKey(group, resource, namespace, name)
    return Change(key, ChangeType(type_), _decoded(body, version), labels, version, len(body))


def _in_brief(row: _Row) -> bytes:
    """A deleted object, reduced to the fields that identify it for watchers."""
    body = orjson.loads(row.body)
    metadata = {name: value for name, value in body["metadata"].items() if name in _IN_BRIEF}
    brief = {"kind": body.get("kind"), "apiVersion": body.get("apiVersion"), "metadata": metadata}
    text = orjson.dumps(brief)
    if len(text) > SMALL_CHANGE_BYTES:
        metadata.pop("labels", None)
        text = orjson.dumps(brief)
    return text


def _forget_changes(connection: sqlite3.Connection, room: int) -> None:
    """Free about so many bytes by removing the oldest changes: watchers that need these must list again."""
    freed, last = 0, None
    for version, size in connection.execute("SELECT version, length(body) FROM changes ORDER BY version"):
        freed, last = freed + size, version
        if freed >= room:
            break
    if last is not None:
        connection.execute("DELETE FROM changes WHERE version <= ?", (last,))


def _columns(key: ObjectKey) -> tuple[str, str, str]:
    return kind_column(key.group, key.resource), key.namespace, key.name


def _row(connection: sqlite3.Connection, key: ObjectKey) -> _Row | None:
    found = connection.execute(
        "SELECT id, version, body FROM objects WHERE kind = ? AND namespace = ? AND name = ?", _columns(key)
    ).fetchone()
    return None if found is None else _Row(*found)


def _expected_row(connection: sqlite3.Connection, key: ObjectKey, version: str | None) -> _Row:
    row = _row(connection, key)
    if row is None:
        raise ObjectMissing(f"{kind_column(key.group, key.resource)} {key.name} does not exist")
    if version is not None and version != str(row.version):
        raise ObjectChanged(
            f"{kind_column(key.group, key.resource)} {key.name} has version {row.version}, not {version}"
        )
    return row


def _objects(
    connection: sqlite3.Connection, collection: Collection, after: tuple[str, str] | None, at_once: int
) -> Iterator[dict[str, Any]]:
    """Objects in order of namespace and name, fetched in chunks."""
    where, values = _selection(collection, after)
    select = f"SELECT version, body FROM objects {where} ORDER BY namespace, name"  # noqa: S608 - values are bound
    cursor = connection.execute(select, values)
    while rows := cursor.fetchmany(at_once):
        for version, body in rows:
            yield _decoded(body, version)


def _selection(collection: Collection, after: tuple[str, str] | None) -> tuple[str, list[str]]:
    """The ``WHERE`` of a collection, and its values."""
    where = "WHERE kind = ?"
    values = [kind_column(collection.group, collection.resource)]
    if collection.namespace is not None:
        where += " AND namespace = ?"
        values.append(collection.namespace)
    if after is not None:
        where += " AND (namespace, name) > (?, ?)"
        values.extend(after)
    return where, values


def data_version(connection: sqlite3.Connection, path: Path) -> int:
    """A number that differs whenever another connection has committed. ``path`` is for messages.

    Raises:
        StoreError: an error of SQLite.
    """
    with translated(path):
        return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _latest_version(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def _oldest_known(connection: sqlite3.Connection) -> int:
    """The oldest version from which on all changes are known."""
    row = connection.execute("SELECT min(version) FROM changes").fetchone()
    return int(row[0]) - 1 if row[0] is not None else 0


def _version_number(version: str) -> int:
    try:
        return int(version)
    except ValueError as error:
        raise ChangesExpired(f"{version!r} is not a resource version of this store") from error


def _encoded(body: dict[str, Any]) -> bytes:
    metadata = body.get("metadata") or {}
    if "resourceVersion" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    return orjson.dumps({**body, "metadata": metadata})


def _decoded(text: bytes, version: int) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(text)
    body["metadata"]["resourceVersion"] = str(version)
    return body


def _name_of(found: dict[str, Any]) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[ImageStore] = SqliteStore
