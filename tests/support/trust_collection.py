"""A trust collection that tests publish, change and publish again, with any fault."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.content_trust.errors import TrustDataError
from imagegate.core.content_trust.fetches import Fetch, run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.repository import Repository
from imagegate.core.content_trust.state import TrustState
from imagegate.core.content_trust.update import UpdateResult, update
from tests.support.trust_keys import NOW, SigningKey, base64_of, canonical, ecdsa_key, root_key

GUN = "registry.example.com/app"
FAR = "2036-01-01T00:00:00Z"
PAST = "2026-11-22T11:59:59Z"
"""A second before ``NOW``."""

Document: TypeAlias = dict[str, Any]
Edit: TypeAlias = Callable[[Document], object]


class Delegated(NamedTuple):
    """One delegation, as its parent lists it."""

    keys: Sequence[SigningKey]
    threshold: int = 1
    paths: Sequence[str] = ("",)


def listing(content: bytes) -> Document:
    """Length and hashes of a file, or of an image manifest."""
    hashes = {"sha256": hashlib.sha256(content).digest(), "sha512": hashlib.sha512(content).digest()}
    return {"length": len(content), "hashes": {name: base64_of(value) for name, value in hashes.items()}}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def envelope(signed: Document, keys: Sequence[SigningKey]) -> bytes:
    """A file: the document, signed by the keys."""
    message = canonical(signed)
    signatures = [key.sign(message) for key in keys]
    return b'{"signed":' + message + b',"signatures":' + json.dumps(signatures).encode() + b"}"


class Collection:
    """Documents, keys and what a server would serve of them."""

    def __init__(self, gun: str = GUN) -> None:
        self.gun = gun
        self.keys: dict[str, list[SigningKey]] = {role: [ecdsa_key()] for role in ("targets", "snapshot", "timestamp")}
        self.keys["root"] = [root_key(gun)]
        self.thresholds: defaultdict[str, int] = defaultdict(lambda: 1)
        self.versions: defaultdict[str, int] = defaultdict(lambda: 1)
        self.expires: defaultdict[str, str] = defaultdict(lambda: FAR)
        self.delegations: dict[str, Delegated] = {}
        self.tags: defaultdict[str, dict[str, Document]] = defaultdict(dict)
        self.edits: dict[str, Edit] = {}
        """Changes to ``signed`` before it is signed."""
        self.signers: dict[str, Sequence[SigningKey]] = {}
        """Keys that sign a role instead of its own."""
        self.tampering: dict[str, Callable[[bytes], bytes]] = {}
        """Changes to a signed file, which whatever lists it then lists."""
        self.unlisted: set[str] = set()
        """Roles that are left out of the snapshot."""
        self.files: dict[str, bytes] = {}
        self.failing: set[str] = set()
        """Names that the server answers with a failure, without hashes."""
        self.asked: list[str] = []

    def delegate(self, name: str, *keys: SigningKey, threshold: int = 1, paths: Sequence[str] = ("",)) -> None:
        self.delegations[name] = Delegated(keys, threshold, paths)

    def tag(self, role: str, name: str, manifest: bytes) -> None:
        self.tags[role][name] = listing(manifest)

    def publish(self, *newer: str) -> Collection:
        """Sign everything below the root, and the root itself the first time; roles in ``newer`` get a new version."""
        for role in newer:
            self.versions[role] += 1
        if "root" not in self.files:
            self.publish_root()
        listed = {"root": self.files["root"]}
        for role in ("targets", *self.delegations):
            listed[role] = self._targets_file(role)
        meta = {role: listing(content) for role, content in listed.items() if role not in self.unlisted}
        snapshot = self._file("snapshot", {"_type": "Snapshot", "meta": meta})
        timestamp = self._file("timestamp", {"_type": "Timestamp", "meta": {"snapshot": listing(snapshot)}})
        for role, content in (*listed.items(), ("snapshot", snapshot)):
            self.files[f"{role}.{hashlib.sha256(content).hexdigest()}"] = content
        self.files["timestamp"] = timestamp
        return self

    def publish_root(self, *, also_signed_by: Sequence[SigningKey] = ()) -> None:
        """Sign a root of the present keys; ``also_signed_by``: keys of the root before."""
        keys = {key.key_id: key.listed for role in self.keys.values() for key in role}
        roles = {
            role: {"keyids": [key.key_id for key in own], "threshold": self.thresholds[role]}
            for role, own in self.keys.items()
        }
        document = {"_type": "Root", "consistent_snapshot": False, "keys": keys, "roles": roles}
        self.signers.setdefault("root", self.keys["root"])
        content = self._file("root", document, also_signed_by)
        del self.signers["root"]
        self.files["root"] = self.files[f"{self.versions['root']}.root"] = content

    def rotate_root(self, *keys: SigningKey) -> None:
        """Publish a root with other root keys, signed by the old and the new."""
        old = self.keys["root"]
        self.keys["root"] = list(keys)
        self.versions["root"] += 1
        self.publish_root(also_signed_by=[key for key in old if key not in keys])

    def update(self, state: TrustState | None = None, pins: Pinning | None = None, now: datetime = NOW) -> UpdateResult:
        """An update against what is published; the names that were asked for are in ``asked``."""
        self.asked.clear()
        return run(update(self.gun, state, pins or Pinning(), now), self.answer)

    def repository(self, state: TrustState | None = None, **options: Any) -> Repository:
        """The verified repository, where nothing is wrong."""
        result = self.update(state, **options)
        assert result.error is None, result.error.detail
        assert result.repository is not None
        return result.repository

    def refusal(self, state: TrustState | None = None, **options: Any) -> TrustDataError:
        """What is wrong."""
        result = self.update(state, **options)
        assert result.repository is None
        assert result.error is not None
        return result.error

    def state(self, before: TrustState | None = None, **options: Any) -> TrustState:
        """What is remembered of a good update."""
        result = self.update(before, **options)
        assert result.error is None, result.error.detail
        assert result.state is not None
        return result.state

    def answer(self, fetch: Fetch) -> Lookup[bytes]:
        name = fetch.role if fetch.immutable and fetch.role != "root" else fetch.name
        self.asked.append(name)
        if name in self.failing:
            return Unknown("unable to reach trust server at this time: 503.")
        content = self.files.get(fetch.name)
        if content is None:
            return Absent(f"{fetch.name} trust data unavailable.  Has a notary repository been initialized?")
        return Found(content[: fetch.max_bytes + 1])

    def _targets_file(self, role: str) -> bytes:
        children = {name: one for name, one in self.delegations.items() if name.rpartition("/")[0] == role}
        delegations = {
            "keys": {key.key_id: key.listed for child in children.values() for key in child.keys},
            "roles": [
                {
                    "name": name,
                    "keyids": [key.key_id for key in child.keys],
                    "threshold": child.threshold,
                    "paths": list(child.paths),
                }
                for name, child in children.items()
            ],
        }
        return self._file(role, {"_type": "Targets", "targets": self.tags[role], "delegations": delegations})

    def _file(self, role: str, document: Document, also_signed_by: Sequence[SigningKey] = ()) -> bytes:
        signed = {"version": self.versions[role], "expires": self.expires[role], **document}
        if role in self.edits:
            self.edits[role](signed)
        own = self.signers.get(role, self.keys[role] if role in self.keys else self.delegations[role].keys)
        content = envelope(signed, [*own, *also_signed_by])
        return self.tampering[role](content) if role in self.tampering else content
