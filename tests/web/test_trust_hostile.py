"""``trust`` against a trust server that serves manipulated, old, huge, slow or no data: all of it denies.

The same cases on pure bytes: ``tests/core/content_trust/``. Texts: docs/spec/enforcement.md 12.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterator

import pytest

from tests.support.certificates import Authority
from tests.support.notary import TrustServerSimulator
from tests.support.processes import wait_until
from tests.support.simulator import Response
from tests.support.trust_collection import Collection, digest
from tests.support.trust_keys import ecdsa_key, public_pem
from tests.support.trust_world import TrustService, TrustWorld, review, signer_secret, trust_policy, trust_world

MANIFEST, OTHER = b'{"schemaVersion":2}', b'{"schemaVersion":2,"other":true}'
ALICE = ecdsa_key()
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[TrustWorld]:
    with trust_world(tmp_path_factory.mktemp("hostile"), ca) as running:
        yield running


@pytest.fixture(scope="module")
def service(world: TrustWorld) -> Iterator[TrustService]:
    """Without caches: every review asks the trust server."""
    documents = [
        trust_policy("team", world.simulator.url),
        trust_policy("alice", world.simulator.url, "alice"),
        signer_secret("alice", "alice", "alice", public_pem(ALICE.private)),
        trust_policy("closed", "https://127.0.0.1:1"),
        trust_policy("plain", "http://127.0.0.1:1"),
    ]
    with world.serve(documents, cise={"cache": False}) as running:
        yield running


@pytest.fixture
def collection(world: TrustWorld) -> Collection:
    """Trust data of a repository of its own, served by the simulator: ``v1`` is signed."""
    made = Collection(f"registry.example.com/team/app{next(NUMBERS)}")
    made.tag("targets", "v1", MANIFEST)
    made.publish()
    serve(world.simulator, made)
    return made


def serve(simulator: TrustServerSimulator, collection: Collection) -> None:
    simulator.repositories[collection.gun] = collection.files.get


def refused(service: TrustService, collection: Collection, cause: str, namespace: str = "team") -> None:
    image = f"{collection.gun}:v1"
    assert service.message(image, namespace) == (
        f'trust: policy denied the request: Deny "{image}", failed to get content trust information: {cause}'
    )


def allowed(service: TrustService, collection: Collection, namespace: str = "team") -> None:
    assert service.runs(f"{collection.gun}:v1", namespace) == f"{collection.gun}@{digest(MANIFEST)}"


def test_good_data_is_accepted(service: TrustService, collection: Collection) -> None:
    allowed(service, collection)


def test_an_expired_timestamp(service: TrustService, collection: Collection) -> None:
    allowed(service, collection)
    collection.expires["timestamp"] = "2026-11-01T00:00:00Z"
    collection.publish("timestamp")
    refused(service, collection, "timestamp expired at Sun Nov 1 00:00:00 UTC 2026")


def test_a_frozen_timestamp_is_denied_at_the_first_contact(world: TrustWorld, service: TrustService) -> None:
    old = Collection("registry.example.com/team/frozen")
    old.tag("targets", "v1", MANIFEST)
    old.expires["timestamp"] = "2026-11-01T00:00:00Z"
    serve(world.simulator, old.publish())
    refused(service, old, "timestamp expired at Sun Nov 1 00:00:00 UTC 2026")


def test_a_rolled_back_snapshot(service: TrustService, collection: Collection) -> None:
    collection.publish("snapshot", "timestamp")
    allowed(service, collection)
    collection.versions["snapshot"] = 1
    collection.publish("timestamp")
    refused(service, collection, "version 1 is lower than current version 2")


def test_a_rolled_back_snapshot_after_a_restart(world: TrustWorld, collection: Collection) -> None:
    policies = [trust_policy("team", world.simulator.url)]
    collection.publish("snapshot", "timestamp")
    with world.serve(policies, folder="restarted") as before:
        allowed(before, collection)
    collection.versions["snapshot"] = 1
    collection.publish("timestamp")
    with world.serve(policies, folder="restarted") as after:
        refused(after, collection, "version 1 is lower than current version 2")


def test_a_rollback_that_another_worker_would_have_noticed(world: TrustWorld, collection: Collection) -> None:
    collection.publish("snapshot", "timestamp")
    with world.serve([trust_policy("team", world.simulator.url)], cise={"cache": False}, workers=2) as running:
        allowed(running, collection)
        collection.versions["snapshot"] = 1
        collection.publish("timestamp")
        for _ in range(8):  # whichever worker is asked
            refused(running, collection, "version 1 is lower than current version 2")
        assert running.service.metric("imagegate_trust_first_uses_total") == 1


def test_a_replaced_root_without_a_chain(world: TrustWorld, service: TrustService, collection: Collection) -> None:
    allowed(service, collection)
    thief = Collection(collection.gun)
    thief.tag("targets", "v1", OTHER)
    thief.versions["root"] = 2
    serve(world.simulator, thief.publish())
    refused(
        service,
        collection,
        "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates",
    )
    serve(world.simulator, collection)
    allowed(service, collection)


def test_tampered_targets(world: TrustWorld, service: TrustService, collection: Collection) -> None:
    name = next(name for name in collection.files if name.startswith("targets."))
    tampered = collection.files[name].replace(b'"v1"', b'"v2"')
    assert tampered != collection.files[name]
    world.simulator.repositories[collection.gun] = lambda asked: (
        tampered if asked == name else collection.files.get(asked)
    )
    expected = name.removeprefix("targets.")
    refused(service, collection, f"sha256 checksum for targets did not match: expected {expected}")


def test_a_threshold_met_by_one_key_twice(world: TrustWorld, service: TrustService) -> None:
    made = Collection("registry.example.com/team/threshold")
    made.keys["targets"].append(ecdsa_key())
    made.thresholds["targets"] = 2
    made.signers["targets"] = [made.keys["targets"][0]] * 2
    made.tag("targets", "v1", MANIFEST)
    serve(world.simulator, made.publish())
    refused(service, made, "valid signatures did not meet threshold for targets")


def test_no_signatures(service: TrustService, collection: Collection) -> None:
    collection.signers["timestamp"] = []
    collection.publish("timestamp")
    refused(service, collection, "tuf: data has no signatures")


def test_a_signer_who_signed_another_digest(service: TrustService, collection: Collection) -> None:
    collection.delegate("targets/alice", ALICE)
    collection.tag("targets/alice", "v1", OTHER)
    collection.publish("targets", "snapshot", "timestamp")
    refused(service, collection, "Incompatible digest", "alice")
    collection.tag("targets/alice", "v1", MANIFEST)
    collection.publish("targets/alice", "snapshot", "timestamp")
    allowed(service, collection, "alice")


def test_a_listed_key_that_has_not_signed(world: TrustWorld, service: TrustService, collection: Collection) -> None:
    """Portieris is content with a key that is listed; ``signerKeyMustSign: false`` is, too."""
    colleague = ecdsa_key()
    collection.delegate("targets/alice", ALICE, colleague)
    collection.signers["targets/alice"] = [colleague]
    collection.tag("targets/alice", "v1", MANIFEST)
    collection.publish("targets", "snapshot", "timestamp")
    refused(service, collection, "no signature found for role alice", "alice")
    documents = [
        trust_policy("alice", world.simulator.url, "alice"),
        signer_secret("alice", "alice", "alice", public_pem(ALICE.private)),
    ]
    with world.serve(documents, trust={"signerKeyMustSign": False}) as lenient:
        allowed(lenient, collection, "alice")


@pytest.mark.parametrize("length", [1024 * 1024 + 1, 64 * 1024 * 1024], ids=["announced", "endless"])
def test_a_huge_timestamp(world: TrustWorld, service: TrustService, collection: Collection, length: int) -> None:
    pieces = (b" " * 65536 for _ in range(length // 65536))
    body = b" " * length if length < 2 * 1024 * 1024 else pieces
    world.simulator.repositories[collection.gun] = lambda name: (
        Response(200, body) if name == "timestamp" else collection.files.get(name)
    )
    refused(service, collection, "trust server returned a bad response.")


@pytest.mark.parametrize(
    "answer, cause",
    [
        (Response(503), "unable to reach trust server at this time: 503."),
        (Response(400, b"no JSON"), "trust server rejected operation."),
        (Response(400, b'{"errors":[{"message":"not today"}]}'), "not today"),
        (Response(404), "timestamp trust data unavailable.  Has a notary repository been initialized?"),
    ],
    ids=["503", "400", "400-json", "404"],
)
def test_an_error_of_the_server(
    world: TrustWorld, service: TrustService, collection: Collection, answer: Response, cause: str
) -> None:
    world.simulator.repositories[collection.gun] = lambda name: (
        answer if name == "timestamp" else collection.files.get(name)
    )
    refused(service, collection, cause)


def test_a_server_that_is_down_is_done_without_until_the_timestamp_expires(
    world: TrustWorld, service: TrustService, collection: Collection
) -> None:
    allowed(service, collection)
    world.simulator.repositories[collection.gun] = lambda _name: Response(503)
    allowed(service, collection)


def test_a_server_that_cannot_be_reached(service: TrustService, collection: Collection) -> None:
    image = f"{collection.gun}:v1"
    message = service.message(image, "closed")
    assert message.startswith(
        f'trust: Deny "{image}", could not resolve the auth-endpoint, cannot connect to 127.0.0.1:1: '
    )


def test_a_server_without_tls_is_not_asked(service: TrustService, collection: Collection) -> None:
    image = f"{collection.gun}:v1"
    assert service.message(image, "plain") == (
        f'"{image}": trust: imagegate: trust server "http://127.0.0.1:1" is not an HTTPS URL'
    )


def test_a_challenge_without_a_scheme_that_is_known(
    world: TrustWorld, service: TrustService, collection: Collection
) -> None:
    challenge = {"WWW-Authenticate": "Negotiate"}
    world.simulator.repositories[collection.gun] = lambda _name: Response(401, b"", challenge)
    image = f"{collection.gun}:v1"
    assert service.message(image) == (
        f'trust: Deny "{image}", could not resolve the auth-endpoint, no supported auth-endpoint found'
    )


def test_a_server_that_wants_credentials_and_gets_none(
    world: TrustWorld, service: TrustService, collection: Collection
) -> None:
    challenge = {"WWW-Authenticate": 'Basic realm="members"'}
    world.simulator.repositories[collection.gun] = lambda _name: Response(401, b"", challenge)
    image = f"{collection.gun}:v1"
    assert service.message(image) == (
        f'trust: policy denied the request: Deny "{image}", no valid ImagePullSecret defined for {image}'
    )


def test_a_slow_server_ends_with_the_deadline(world: TrustWorld, service: TrustService, collection: Collection) -> None:
    world.simulator.repositories[collection.gun] = lambda name: Response(200, collection.files[name], delay_s=2.5)
    image = f"{collection.gun}:v1"
    began = time.monotonic()
    answer = service.service.post("/admit?timeout=2s", review(image, "team"))
    assert time.monotonic() - began < 2
    message = answer.response["status"]["message"]
    assert message == f'\nimagegate: deadline exceeded while checking "{image}"'


def test_another_authority_than_the_private_one_is_refused(
    world: TrustWorld, service: TrustService, collection: Collection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("other-ca"))
    with TrustServerSimulator(tls=stranger.server) as other:
        serve(other, collection)
        with world.serve([trust_policy("team", other.url)]) as running:
            message = running.message(f"{collection.gun}:v1")
        assert "could not resolve the auth-endpoint" in message
        assert "certificate" in message
        assert other.requests == []
    allowed(service, collection)


class TestCaching:
    def test_a_repeated_review_asks_nothing(self, world: TrustWorld, collection: Collection) -> None:
        collection.tag("targets", "v2", OTHER)
        collection.publish("targets", "snapshot", "timestamp")
        with world.serve([trust_policy("team", world.simulator.url)]) as running:
            allowed(running, collection)
            before = len(world.simulator.requests)
            for _ in range(5):
                allowed(running, collection)
            assert running.runs(f"{collection.gun}:v2") == f"{collection.gun}@{digest(OTHER)}"
            assert len(world.simulator.requests) == before

    def test_a_first_review_asks_for_each_file_once(self, world: TrustWorld, collection: Collection) -> None:
        before = len(world.simulator.requests)
        with world.serve([trust_policy("team", world.simulator.url)]) as running:
            allowed(running, collection)
        asked = [name.partition(".")[0] for name in world.simulator.asked(collection.gun, before)]
        assert asked == ["root", "timestamp", "snapshot", "targets"]

    def test_a_changed_secret_counts_at_once(self, world: TrustWorld, collection: Collection) -> None:
        collection.delegate("targets/alice", ALICE)
        collection.tag("targets/alice", "v1", MANIFEST)
        collection.publish("targets", "snapshot", "timestamp")
        policy = trust_policy("alice", world.simulator.url, "alice")
        good, bad = (
            [policy, signer_secret("alice", "alice", "alice", public_pem(key.private))] for key in (ALICE, ecdsa_key())
        )
        with world.serve(good) as running:
            allowed(running, collection, "alice")
            running.put_in_force(bad)
            wait_until(lambda: running.message(f"{collection.gun}:v1", "alice") != "", "the new key", timeout_s=20)
            refused(running, collection, "Public keys are different", "alice")

    def test_a_changed_policy_counts_at_once(self, world: TrustWorld, collection: Collection) -> None:
        with world.serve([trust_policy("team", world.simulator.url)]) as running:
            allowed(running, collection)
            running.put_in_force([trust_policy("team", world.simulator.url, "carol")])
            image, text = f"{collection.gun}:v1", "could not get signerSecret"
            # More than once: each worker puts it in force by itself.
            wait_until(lambda: all(text in running.message(image) for _ in range(8)), "the new policy", timeout_s=20)


class TestStore:
    def test_a_store_that_cannot_be_read_denies(self, world: TrustWorld, collection: Collection) -> None:
        """What was seen before is not forgotten silently."""
        with world.serve([trust_policy("team", world.simulator.url)], cise={"cache": False}) as running:
            allowed(running, collection)
            with sqlite3.connect(running.store) as store:
                store.execute("UPDATE trust_states SET body = CAST('no JSON' AS BLOB)")
            message = running.message(f"{collection.gun}:v1")
            assert "what was trusted before cannot be read or stored: stored trust state cannot be read" in message
            assert running.service.metric("imagegate_trust_first_uses_total") == 1

    def test_a_store_that_is_gone_denies(self, world: TrustWorld, collection: Collection) -> None:
        with world.serve([trust_policy("team", world.simulator.url)], cise={"cache": False}) as running:
            allowed(running, collection)
            running.store.rename(running.store.with_name("elsewhere"))
            assert "what was trusted before cannot be read or stored" in running.message(f"{collection.gun}:v1")

    def test_replicas_share_a_folder(self, world: TrustWorld, collection: Collection) -> None:
        folder = str(world.directory / "shared-trust")
        policies = [trust_policy("team", world.simulator.url)]
        collection.publish("snapshot", "timestamp")
        with (
            world.serve(policies, trust={"store": folder}) as first,
            world.serve(policies, trust={"store": folder}) as second,
        ):
            allowed(first, collection)
            collection.versions["snapshot"] = 1
            collection.publish("timestamp")
            refused(second, collection, "version 1 is lower than current version 2")
            assert second.service.metric("imagegate_trust_first_uses_total") == 0
