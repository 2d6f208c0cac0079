"""What was trusted, in the store: compared and swapped, so that no process overwrites another's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from imagegate.adapters.files.trust_states import TrustStateFolder
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.trust_states import SqliteTrustStates
from imagegate.errors import InvalidSettings
from imagegate.ports.content_trust import TrustStates, TrustStoreError
from imagegate.wiring.content_trust import MemoryTrustStates, trust_state_folder

PLACE = ("https://trust", "registry.example.com/team/app")


@pytest.fixture(params=["sqlite", "folder", "memory"])
def states(request: pytest.FixtureRequest, tmp_path: Path) -> TrustStates:
    if request.param == "memory":
        return MemoryTrustStates()
    if request.param == "folder":
        return TrustStateFolder(tmp_path / "trust")
    return SqliteTrustStates(Database(tmp_path / "images.db"))


def test_what_is_stored_is_read_by_server_and_name(states: TrustStates) -> None:
    assert states.get(*PLACE) is None
    assert states.replace(*PLACE, before=None, after=b"one")
    assert states.get(*PLACE) == b"one"
    assert states.get("https://other", PLACE[1]) is None
    assert states.get(PLACE[0], "other") is None


def test_only_what_was_read_is_replaced(states: TrustStates) -> None:
    states.replace(*PLACE, before=None, after=b"one")
    assert not states.replace(*PLACE, before=None, after=b"two")
    assert not states.replace(*PLACE, before=b"zero", after=b"two")
    assert states.get(*PLACE) == b"one"
    assert states.replace(*PLACE, before=b"one", after=b"two")
    assert states.get(*PLACE) == b"two"


def test_processes_share_it(tmp_path: Path) -> None:
    first, second = (SqliteTrustStates(Database(tmp_path / "images.db")) for _ in range(2))
    first.replace(*PLACE, before=None, after=b"one")
    assert second.get(*PLACE) == b"one"
    assert second.replace(*PLACE, before=b"one", after=b"two")
    assert not first.replace(*PLACE, before=b"one", after=b"three")


def test_a_store_of_before_content_trust_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "images.db"
    Database(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE trust_states")
        connection.execute("PRAGMA user_version = 1")
    states = SqliteTrustStates(Database(path))
    assert states.replace(*PLACE, before=None, after=b"one")


def test_a_store_that_is_gone_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "images.db"
    states = SqliteTrustStates(Database(path))
    path.unlink()
    with pytest.raises(TrustStoreError, match="was deleted or replaced"):
        states.get(*PLACE)
    with pytest.raises(TrustStoreError, match="was deleted or replaced"):
        states.replace(*PLACE, before=None, after=b"one")


class TestFolder:
    def test_replicas_share_it(self, tmp_path: Path) -> None:
        first, second = (TrustStateFolder(tmp_path / "trust") for _ in range(2))
        first.replace(*PLACE, before=None, after=b"one")
        assert second.replace(*PLACE, before=b"one", after=b"two")
        assert not first.replace(*PLACE, before=b"one", after=b"three")
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "trust").iterdir()} == {0o600}

    def test_a_folder_that_is_gone_is_an_error(self, tmp_path: Path) -> None:
        states = TrustStateFolder(tmp_path / "trust")
        (tmp_path / "trust").rename(tmp_path / "elsewhere")
        with pytest.raises(TrustStoreError, match="No such file"):
            states.get(*PLACE)
        with pytest.raises(TrustStoreError, match="No such file"):
            states.replace(*PLACE, before=None, after=b"one")

    def test_a_folder_that_cannot_be_made_stops_the_start(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InvalidSettings, match=r"cise\.trust\.store: .*Not a directory"):
            trust_state_folder(tmp_path / "file/trust")
