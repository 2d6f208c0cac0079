"""The way of a certificate from its Secret to the file that a replica serves from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.files.pair_file import PrivateFile
from imagegate.ports.certificates import StoredSecret
from imagegate.service.certificates.follower import OVERTAKEN_S, CertificateFollower
from imagegate.service.certificates.pairs import issue, new_authority
from imagegate.service.certificates.plan import USED_BY
from tests.service.certificates.objects import NAMES, SERVING, START, Cluster, configuration


class Notes:
    """``ports.documents.Processes`` of one process."""

    def __init__(self, *, leads: bool = True) -> None:
        self.leads = leads
        self.notes: dict[str, Mapping[str, Any]] = {}

    def lead(self) -> bool:
        return self.leads

    def put_note(self, name: str, note: Mapping[str, Any]) -> None:
        self.notes[name] = note

    def note(self, name: str) -> Mapping[str, Any]:
        return self.notes.get(name, {})

    def report(self, note: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def reports(self) -> list[Mapping[str, Any]]:
        raise NotImplementedError


class Followed:
    def __init__(self, cluster: Cluster, folder: Path, *, maintains: bool) -> None:
        self.cluster = cluster
        self.notes = Notes()
        self.seconds = 1000.0
        self.path = folder / "private" / "serving.pem"
        self.follower = CertificateFollower(
            cluster,
            SERVING,
            PrivateFile(self.path),
            self.notes,
            keeper=cluster.keeper() if maintains else None,
            replica="a",
            clock=cluster.clock,
            every_s=5,
            monotonic=lambda: self.seconds,
        )

    def problems(self) -> list[str]:
        return [check.problem() for check in self.follower.checks()]


@pytest.fixture
def own(tmp_path: Path) -> Followed:
    return Followed(Cluster(configuration("imagegate", NAMES[0])), tmp_path, maintains=True)


@pytest.fixture
def given(tmp_path: Path) -> Followed:
    cluster = Cluster()
    pair = issue(new_authority("x", START, timedelta(days=9)), NAMES, START, timedelta(days=9))
    cluster.put_secret(SERVING, StoredSecret({"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem}))
    return Followed(cluster, tmp_path, maintains=False)


def test_made_taken_and_reported(own: Followed) -> None:
    [read, problem] = own.follower.checks()
    assert read.stops
    assert read.problem() == "Secret serving was not read yet: reading it"
    assert own.follower.look() == 5
    stored = own.cluster.secrets[SERVING]
    assert own.path.read_bytes() == stored.data["tls.crt"] + b"\n" + stored.data["tls.key"]
    assert own.path.stat().st_mode & 0o777 == 0o600
    assert own.path.parent.stat().st_mode & 0o777 == 0o700
    assert (read.problem(), problem.problem()) == ("", "")
    assert f"{USED_BY}a" in stored.annotations


def test_it_reports_again_now_and_then_and_not_with_every_look(own: Followed) -> None:
    own.follower.look()
    version = own.cluster.secrets[SERVING].version
    own.follower.look()
    assert own.cluster.secrets[SERVING].version == version
    own.cluster.passes(minutes=11)
    own.follower.look()
    assert own.cluster.secrets[SERVING].version != version


def test_only_one_process_looks(own: Followed) -> None:
    own.notes.leads = False
    assert own.follower.look() == 1
    assert not own.path.exists()


def test_a_secret_of_somebody_else_is_taken_and_not_written(given: Followed) -> None:
    given.follower.look()
    assert given.problems() == ["", ""]
    assert given.path.exists()
    assert given.cluster.writes == [SERVING]
    assert given.cluster.secrets[SERVING].annotations == {}


@pytest.mark.parametrize(
    "damage, why",
    [
        ({"tls_crt": b""}, "no certificate can be read"),
        ({"tls_key": b""}, "has no tls.key"),
        ({"tls_crt": b"x" * 300_000}, "larger than"),
    ],
)
def test_a_damaged_secret_is_not_taken(given: Followed, damage: dict[str, bytes], why: str) -> None:
    given.follower.look()
    before = given.path.read_bytes()
    given.cluster.damage(SERVING, **damage)
    given.follower.look()
    assert given.path.read_bytes() == before
    [read, problem] = given.problems()
    assert read == ""
    assert why in problem


def test_never_read(given: Followed) -> None:
    given.cluster.broken = {SERVING}
    given.follower.look()
    assert given.problems() == ["Secret serving was not read yet: serving cannot be read", "serving cannot be read"]
    given.cluster.broken = set()
    given.follower.look()
    assert given.problems() == ["", ""]
    given.cluster.broken = {SERVING}
    given.follower.look()
    assert given.problems() == ["", "serving cannot be read"]
    del given.cluster.secrets[SERVING]
    given.cluster.broken = set()
    given.follower.look()
    assert given.problems() == ["", "there is no Secret serving"]


def test_overtaken_it_looks_again_soon(own: Followed) -> None:
    own.follower.look()
    own.cluster.damage(SERVING, tls_key=b"")
    stale = own.cluster.secrets[SERVING]
    own.cluster.secret = lambda name: stale if name == SERVING else own.cluster.secrets[name]  # type: ignore[method-assign]
    own.cluster.annotate_secret(SERVING, {"x": "y"})
    assert own.follower.look() == OVERTAKEN_S


def test_a_file_that_cannot_be_written(own: Followed) -> None:
    own.path.parent.parent.mkdir(exist_ok=True)
    own.path.parent.write_text("not a folder")
    own.follower.look()
    assert "cannot be stored for this replica's processes" in own.problems()[1]


def test_a_thread_that_is_gone_is_noticed(own: Followed) -> None:
    own.follower.look()
    own.seconds += 179
    assert own.problems() == ["", ""]
    own.seconds += 2
    assert own.problems() == ["", "nobody has looked at Secret serving for 181 s"]
    own.follower.look()
    assert own.problems() == ["", ""]
