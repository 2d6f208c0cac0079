"""``imagegate store migrate``: a file into the cluster and back, with everything that may happen on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.adapters.kubernetes_api.store.trust_states import StoredTrustStates
from imagegate.ports.image_store import Collection, ImageStore, ObjectKey
from imagegate.wiring.stores import OpenedStore, open_file
from tests.cluster.control_plane import ControlPlane
from tests.cluster.stores import connection_of, define, new_namespace
from tests.support.image_objects import event, image, stream
from tests.support.processes import wait_until
from tests.support.service import IMAGEGATE

GROUP = "image.openshift.io"
IMAGES = 400
PLACE = ("https://trust", "registry.example.com/team/app")


@dataclass(frozen=True, slots=True)
class Stores:
    plane: ControlPlane
    namespace: str
    file: Path
    source: OpenedStore

    def command(self, *options: str | Path, source: str | Path = "", target: str | Path = "") -> list[str]:
        where = ["--from", source or self.file, "--to", target or "kubernetes", "-n", self.namespace]
        command = [IMAGEGATE, "store", "migrate", *where, "--kubeconfig", self.plane.kubectl.configuration, *options]
        return list(map(str, command))

    def migrate(self, *options: str | Path, **where: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*options, **where), capture_output=True, text=True, check=False)

    def in_cluster(self) -> KubernetesStore:
        connection = connection_of(self.plane)
        return KubernetesStore(lambda: connection, self.namespace)


def digest(number: int) -> str:
    return f"sha256:{random.Random(number).randbytes(32).hex()}"


@pytest.fixture
def stores(plane: ControlPlane, tmp_path: Path) -> Stores:
    define(plane)
    file = tmp_path / "images.db"
    source = open_file(file, lambda: datetime.now(UTC))
    key = partial(ObjectKey, GROUP)
    objects = [(key("images", "", digest(n)), image(digest(n))) for n in range(IMAGES)]
    for number in range(20):
        tags = {f"t{n}": [event(digest(n), f"org/app@{digest(n)}")] for n in range(number, IMAGES, 20)}
        objects.append(
            (ObjectKey(GROUP, "imagestreams", "shop", f"s{number}"), stream(f"s{number}", "shop", tags=tags))
        )
    pod = {"metadata": {"name": "p", "namespace": "shop"}, "kind": "Pod", "apiVersion": "v1"}
    objects.append((ObjectKey("", "pods", "shop", "p"), pod))
    objects.append((ObjectKey("", "namespaces", "", "shop"), {"metadata": {"name": "shop"}}))
    source.objects.create_missing(objects)
    source.trust_states().replace(*PLACE, before=None, after=b"trusted")
    source.objects.release()
    return Stores(plane, new_namespace(plane), file, source)


def contents(store: ImageStore) -> dict[ObjectKey, Any]:
    """Every object without its version."""
    found = {}
    for kind in store.kinds():
        for each in store.list_objects(Collection(*kind)).items:
            del each["metadata"]["resourceVersion"]
            found[ObjectKey(*kind, each["metadata"].get("namespace", ""), each["metadata"]["name"])] = each
    return found


def test_there_and_back(stores: Stores, tmp_path: Path) -> None:
    dry = stores.migrate("--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "nothing was changed; without --dry-run it is\n")
    assert f"images.{GROUP}: {IMAGES} to copy, 0 equal, 0 different\n" in dry.stdout
    assert contents(stores.in_cluster()) == {}
    done = stores.migrate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all objects are in the target, and equal\n")
    expected = contents(stores.source.objects)
    assert len(expected) == IMAGES + 22
    assert contents(stores.in_cluster()) == expected
    assert StoredTrustStates(stores.in_cluster()).get(*PLACE) == b"trusted"
    again = stores.migrate()
    assert f"images.{GROUP}: 0 to copy, {IMAGES} equal, 0 different\n" in again.stdout
    assert "trust data of repositories: 0 to copy, 1 equal, 0 different\n" in again.stdout
    back = tmp_path / "back" / "images.db"
    dry = stores.migrate("--dry-run", source="kubernetes", target=back)
    assert dry.returncode == 0, dry.stderr
    assert not back.exists(), "a dry run makes no file"
    assert stores.migrate(source="kubernetes", target=back).returncode == 0
    returned = open_file(back, lambda: datetime.now(UTC))
    assert contents(returned.objects) == expected
    assert returned.trust_states().get(*PLACE) == b"trusted"


def test_newer_objects_are_not_overwritten_unless_it_is_said(stores: Stores) -> None:
    assert stores.migrate().returncode == 0
    store, key = stores.in_cluster(), ObjectKey(GROUP, "images", "", digest(7))
    found = store.get(key)
    assert found is not None
    marked = {**found, "metadata": {**found["metadata"], "annotations": {"images.openshift.io/deny-execution": "true"}}}
    store.update(key, marked, version=found["metadata"]["resourceVersion"])
    more = ObjectKey(GROUP, "images", "", digest(9999))
    store.create(more, image(digest(9999)))
    refused = stores.migrate()
    assert refused.returncode == 1
    assert "1 different, 1 only in the target" in refused.stdout
    assert f"  different: {digest(7)}\n" in refused.stdout
    assert "--force overwrites them" in refused.stderr
    assert "deny-execution" in str(store.get(key))
    forced = stores.migrate("--force")
    assert forced.returncode == 0, forced.stderr
    assert "deny-execution" not in str(store.get(key))
    assert store.get(more) is not None, "nothing is deleted"


def _has(count: Callable[[], int], least: int) -> bool:
    return count() >= least


@pytest.mark.timeout(120)
def test_a_copy_that_was_killed_is_completed(stores: Stores) -> None:
    """At no moment does a stream in the target name an Image that is not there."""

    def copied() -> int:
        return len(stores.plane.kubectl("-n", stores.namespace, "get", "storedobjects", "-o", "name").stdout.split())

    for least in (20, 150, 300):
        process = subprocess.Popen(stores.command(), stdout=subprocess.DEVNULL)
        wait_until(partial(_has, copied, least), "some objects to be copied")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        there = contents(stores.in_cluster())
        images = {key.name for key in there if key.resource == "images"}
        for key, found in there.items():
            if key.resource == "imagestreams":
                assert {tag["items"][0]["image"] for tag in found["status"]["tags"]} <= images
    assert stores.migrate().returncode == 0
    assert contents(stores.in_cluster()) == contents(stores.source.objects)


def test_what_cannot_be_done_is_said(stores: Stores, tmp_path: Path) -> None:
    same = stores.migrate(source="kubernetes", target="kubernetes")
    assert (same.returncode, same.stderr) == (2, "imagegate: --from and --to are the same store: kubernetes\n")
    missing = stores.migrate(source=tmp_path / "none.db")
    assert missing.returncode == 2
    assert "there is no such store" in missing.stderr
    assert not (tmp_path / "none.db").exists()
    unreachable = tmp_path / "kubeconfig"
    unreachable.write_text(
        stores.plane.kubectl.configuration.read_text().replace(stores.plane.url, "https://127.0.0.1:1")
    )
    away = stores.migrate("--kubeconfig", unreachable)
    assert away.returncode == 2
    assert "cannot be reached" in away.stderr


def test_an_object_in_the_cluster_that_cannot_be_read_stops_it(stores: Stores, tmp_path: Path) -> None:
    assert stores.migrate().returncode == 0
    [name, *_] = stores.plane.kubectl("-n", stores.namespace, "get", "storedobjects", "-o", "name").stdout.split()
    stores.plane.kubectl("-n", stores.namespace, "patch", name, "--type=merge", "-p", '{"spec": {"body": "{}"}}')
    stopped = stores.migrate(source="kubernetes", target=tmp_path / "back.db")
    assert stopped.returncode == 2
    assert "cannot be read" in stopped.stderr
