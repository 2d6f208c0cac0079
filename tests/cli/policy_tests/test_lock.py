"""``imagegate test --update-lock``: what real servers say is locked, verified, and said again without them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.commands import Command
from tests.cli.policy_tests.test_command import Suites, case
from tests.support.certificates import Authority
from tests.support.gpg import GpgHome, Key
from tests.support.lookaside import Lookaside
from tests.support.notary import TrustServerSimulator
from tests.support.registry import Registry
from tests.support.trust_collection import Collection

NAME = "team/lock"


class World:
    """A registry, a signature store and a trust server, and suites whose policy asks all of them."""

    def __init__(self, registry: Registry, store: Lookaside, trust: TrustServerSimulator, suites: Suites) -> None:
        self.registry, self.store, self.trust, self.suites = registry, store, trust, suites
        self.digest = registry.push_sample("tiny-oci", f"{NAME}:v1")
        self.image = f"{registry.host}/{NAME}:v1"
        self.lock = suites.folder / "imagegate-test.lock"

    def sign(self, gpg: GpgHome, key: Key) -> None:
        critical = {
            "type": "atomic container signature",
            "image": {"docker-manifest-digest": self.digest},
            "identity": {"docker-reference": self.image},
        }
        blob = gpg.sign(key, json.dumps({"critical": critical, "optional": {}}).encode())
        self.store.put(NAME, self.digest, 1, blob)

    def vouch(self) -> None:
        collection = Collection(f"{self.registry.host}/{NAME}")
        collection.tag("targets", "v1", self.registry.manifest(f"{NAME}:v1"))
        collection.publish()
        self.trust.repositories[collection.gun] = collection.files.get

    def write(self, requirements: dict[str, Any], verdict: str, *objects: dict[str, Any], **expected: Any) -> None:
        bundle = self.registry.ca.bundle if self.registry.ca is not None else ""
        policy = {
            "apiVersion": "portieris.cloud.ibm.com/v1",
            "kind": "ClusterImagePolicy",
            "metadata": {"name": "all"},
            "spec": {"repositories": [{"name": "*", "policy": requirements}]},
        }
        (self.suites.folder / "policy.yaml").write_text(yaml.safe_dump(policy))
        settings = {
            "policies": ["policy.yaml"],
            "cise": {"profile": "portieris"},
            "registry": {"caFile": str(bundle), "allowPrivateAddresses": ["127.0.0.0/8"], "attempts": 1},
        }
        (self.suites.folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        self.suites.write(
            case(self.image, verdict, **expected), policy={"settings": "settings.yaml"}, objects=list(objects)
        )

    def change(self, edit: Callable[[dict[str, Any]], object]) -> None:
        document = yaml.safe_load(self.lock.read_text())
        edit(document)
        self.lock.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture
def world(imagegate: Command, tmp_path: Path, registry_tls: Registry, ca: Authority) -> Iterator[World]:
    (tmp_path / "store").mkdir()
    (tmp_path / "suites").mkdir()
    with Lookaside(tmp_path / "store", tls=ca.server) as store, TrustServerSimulator(tls=ca.server) as trust:
        yield World(registry_tls, store, trust, Suites(imagegate, tmp_path / "suites"))


@pytest.fixture
def signed(world: World, gpg_home: GpgHome) -> World:
    key = gpg_home.generate("locked@example.com")
    world.sign(gpg_home, key)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "default"},
        "stringData": {"key": key.armored.decode()},
    }
    simple = {"storeURL": world.store.url, "requirements": [{"type": "signedBy", "keySecret": "key"}]}
    world.write({"simple": simple}, "rewritten", secret)
    return world


@pytest.fixture
def vouched(world: World) -> World:
    world.vouch()
    world.write({"trust": {"enabled": True, "trustServer": world.trust.url}}, "rewritten")
    return world


def run(world: World, *options: str, code: int = 0) -> str:
    ran = world.suites(*options)
    assert ran.code == code, ran
    return ran.out + ran.err


class TestSignatures:
    def test_they_are_locked_and_verified_without_the_store(self, signed: World) -> None:
        assert "signatures: no entry" not in run(signed, code=1)  # not even the digest is known
        assert f"{signed.lock}: 2 images, 2 new or changed; 1 signature" in run(signed, "--update-lock")
        before = signed.lock.read_text()
        asked = len(signed.store.requests)
        run(signed)
        assert len(signed.store.requests) == asked
        run(signed, "--update-lock")
        assert signed.lock.read_text() == before

    def test_all_of_them_are_locked(self, signed: World, gpg_home: GpgHome) -> None:
        """Also those that the policy of today does not need."""
        signed.store.put(NAME, signed.digest, 2, b"another")
        run(signed, "--update-lock")
        (entry,) = yaml.safe_load(signed.lock.read_text())["signatures"]
        assert base64.b64decode(entry["blobs"][1]) == b"another"
        assert entry["store"] == signed.store.url

    def test_one_that_is_altered_denies(self, signed: World) -> None:
        run(signed, "--update-lock")

        def alter(document: dict[str, Any]) -> None:
            blob = bytearray(base64.b64decode(document["signatures"][0]["blobs"][0]))
            blob[len(blob) // 2] ^= 1
            document["signatures"][0]["blobs"][0] = base64.b64encode(blob).decode()

        signed.change(alter)
        assert "expected rewritten, got denied" in run(signed, code=1)

    def test_an_entry_that_is_missing_is_unknown_and_says_how_to_get_it(self, signed: World) -> None:
        run(signed, "--update-lock")
        signed.change(lambda document: document.pop("signatures"))
        said = run(signed, code=1)
        place = f"{signed.lock}: signatures: no entry for {signed.registry.host}/{NAME}@{signed.digest}"
        assert f"{place} from {signed.store.url}: imagegate test --update-lock adds it" in said
        assert "got unknown" in said

    def test_an_entry_of_another_digest_is_no_entry(self, signed: World) -> None:
        run(signed, "--update-lock")
        signed.change(lambda document: document["images"].update({signed.image: "sha256:" + "5" * 64}))
        assert "signatures: no entry for" in run(signed, code=1)

    def test_an_entry_that_is_wrong_stops_the_suite(self, signed: World) -> None:
        run(signed, "--update-lock")
        signed.change(lambda document: document["signatures"][0].update(blobs=["%"]))
        said = run(signed, code=2)
        assert f"imagegate: {signed.lock}:10: signatures[0].blobs[0]: not base64" in said

    def test_a_store_that_does_not_answer_locks_nothing(self, signed: World) -> None:
        run(signed, "--update-lock")
        before = signed.lock.read_text()
        text = (signed.suites.folder / "policy.yaml").read_text()
        (signed.suites.folder / "policy.yaml").write_text(text.replace(signed.store.url, "https://127.0.0.1:1"))
        run(signed, "--update-lock", code=1)
        assert signed.lock.read_text() == before

    def test_signatures_of_a_digest_before_are_dropped(self, signed: World) -> None:
        run(signed, "--update-lock")
        signed.registry.push_sample("multi-oci", f"{NAME}:v1")
        run(signed, "--update-lock", code=1)  # nobody has signed this one
        (entry,) = yaml.safe_load(signed.lock.read_text())["signatures"]
        assert signed.digest not in entry["image"]
        assert entry["blobs"] == []


class TestTrust:
    def test_trust_data_is_locked_and_verified_without_the_server(self, vouched: World) -> None:
        assert "1 repository with trust data" in run(vouched, "--update-lock")
        asked = len(vouched.trust.requests)
        run(vouched)
        assert len(vouched.trust.requests) == asked
        (entry,) = yaml.safe_load(vouched.lock.read_text())["trust"]
        assert sorted(entry["files"]) == ["root", "snapshot", "targets", "timestamp"]

    def test_that_there_is_none_is_locked_too(self, vouched: World) -> None:
        vouched.trust.repositories.clear()
        said = run(vouched, "--update-lock", code=1)
        again = run(vouched, code=1)
        assert "got denied" in said
        assert said.partition("got denied")[2].splitlines()[0] == again.partition("got denied")[2].splitlines()[0]

    @pytest.mark.parametrize("name", ["root", "timestamp", "targets"])
    def test_files_that_are_altered_deny(self, vouched: World, name: str) -> None:
        run(vouched, "--update-lock")
        vouched.change(lambda document: document["trust"][0]["files"].update({name: base64.b64encode(b"{}").decode()}))
        assert "expected rewritten, got denied" in run(vouched, code=1)

    def test_it_is_as_old_as_the_lock_says(self, vouched: World) -> None:
        run(vouched, "--update-lock")
        vouched.change(lambda document: document["trust"][0].update(at="2200-01-01T00:00:00Z"))
        assert "expected rewritten, got denied" in run(vouched, code=1)

    def test_of_another_server_is_no_entry(self, vouched: World) -> None:
        run(vouched, "--update-lock")
        vouched.change(lambda document: document["trust"][0].update(server="https://other.example"))
        said = run(vouched, code=1)
        assert f"{vouched.lock}: trust: no entry for {vouched.registry.host}/{NAME} from {vouched.trust.url}" in said


class TestHostileFiles:
    @pytest.mark.parametrize(
        "make, said",
        [
            (os.mkfifo, "it is a pipe, not a file"),
            (lambda path: path.mkdir(), ""),
            (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
            (lambda path: path.symlink_to("/nonexistent"), "No such file"),
            (lambda path: path.write_bytes(b"\xff\xfe"), ""),
            (lambda path: path.write_bytes(b"#" * (16 * 1024 * 1024 + 1)), "larger than 16777216 bytes"),
        ],
    )
    def test_a_lock_that_is_no_file(
        self, imagegate: Command, tmp_path: Path, make: Callable[[Path], object], said: str
    ) -> None:
        suites = Suites(imagegate, tmp_path)
        suites.write(case("quay.io/evil/x:1", "denied"))
        assert suites().code == 0
        make(tmp_path / "imagegate-test.lock")
        ran = suites()
        assert ran.code == 2
        assert f"{tmp_path}/imagegate-test.lock" in ran.err
        assert said in ran.err
