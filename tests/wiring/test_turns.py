"""How the turn of background work is chosen from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from imagegate.adapters.kubernetes_api.lease_turn import LeaseTurn
from imagegate.adapters.store_sqlite.turn import StoreTurn
from imagegate.errors import InvalidSettings
from imagegate.settings.load import Settings, load_settings
from imagegate.wiring.cluster import Cluster
from imagegate.wiring.turns import imports_turn, turn_checks


def settings(tmp_path: Path, **cluster: object) -> Settings:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    return loaded(tmp_path, {"cluster": {"kubeconfig": str(tmp_path / "kubeconfig"), **cluster}})


def loaded(tmp_path: Path, document: object) -> Settings:
    (tmp_path / "imagegate.yaml").write_text(yaml.safe_dump(document))
    return load_settings(tmp_path / "imagegate.yaml", environ={})


@pytest.mark.parametrize(
    "election, store_has_lock, expected",
    [
        ("auto", True, StoreTurn),
        ("auto", False, LeaseTurn),
        ("store", True, StoreTurn),
        ("lease", True, LeaseTurn),
        ("lease", False, LeaseTurn),
    ],
)
def test_who_gives_the_turn(tmp_path: Path, election: str, store_has_lock: bool, expected: type) -> None:
    read = settings(tmp_path, leaderElection=election)
    of_store = StoreTurn(tmp_path / "images.db") if store_has_lock else None
    turn = imports_turn(read, Cluster(read), of_store, tmp_path)
    assert type(turn) is expected
    assert [check.name for check in turn_checks(turn)] == (["lease"] if expected is LeaseTurn else [])


def test_a_store_without_a_lock_cannot_give_it(tmp_path: Path) -> None:
    read = settings(tmp_path, leaderElection="store")
    with pytest.raises(InvalidSettings, match="has no lock"):
        imports_turn(read, Cluster(read), None, tmp_path)


def test_without_a_cluster_the_store_gives_it(tmp_path: Path) -> None:
    of_store = StoreTurn(tmp_path / "images.db")
    assert imports_turn(loaded(tmp_path, {}), None, of_store, tmp_path) is of_store
    with pytest.raises(InvalidSettings, match="cluster: required"):
        imports_turn(loaded(tmp_path, {}), None, None, tmp_path)


def test_processes_that_share_no_folder_cannot_agree(tmp_path: Path) -> None:
    read = settings(tmp_path, leaderElection="lease")
    with pytest.raises(InvalidSettings, match="PROMETHEUS_MULTIPROC_DIR"):
        imports_turn(read, Cluster(read), None, None)
