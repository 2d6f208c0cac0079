"""The trusted state of each repository, in the store that all processes share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagegate.adapters.store_sqlite.database import Database
from imagegate.ports.content_trust import ListedTrustStates, RememberedTrust, TrustStoreError
from imagegate.ports.image_store import StoreError


class SqliteTrustStates:
    """The ``ListedTrustStates`` port over the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, server: str, gun: str) -> bytes | None:
        """See ``TrustStates``."""
        try:
            with self._database.reading_once() as connection:
                row = connection.execute(
                    "SELECT body FROM trust_states WHERE server = ? AND gun = ?", (server, gun)
                ).fetchone()
        except StoreError as error:
            raise TrustStoreError(str(error)) from error
        return None if row is None else bytes(row[0])

    def every(self) -> Iterator[RememberedTrust]:
        """See ``ListedTrustStates``."""
        try:
            with self._database.reading_once() as connection:
                rows = connection.execute("SELECT server, gun, body FROM trust_states ORDER BY server, gun").fetchall()
        except StoreError as error:
            raise TrustStoreError(str(error)) from error
        return (RememberedTrust(server, gun, bytes(body)) for server, gun, body in rows)

    def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
        """See ``TrustStates``."""
        try:
            with self._database.transaction(len(after)) as connection:
                if before is None:
                    changed = connection.execute(
                        "INSERT OR IGNORE INTO trust_states (server, gun, body) VALUES (?, ?, ?)", (server, gun, after)
                    )
                else:
                    changed = connection.execute(
                        "UPDATE trust_states SET body = ? WHERE server = ? AND gun = ? AND body = ?",
                        (after, server, gun, before),
                    )
                return changed.rowcount == 1
        except StoreError as error:
            raise TrustStoreError(str(error)) from error


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[ListedTrustStates] = SqliteTrustStates
