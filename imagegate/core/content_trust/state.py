"""The memory of a repository between updates: the trusted root and the versions seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imagegate.core.content_trust.errors import InvalidTrustState
from imagegate.core.content_trust.limits import MAX_STATE_BYTES
from imagegate.core.content_trust.repository import Anchor, AnchorKind
from imagegate.core.content_trust.signed_file import SigningRole

FORMAT = 1


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """The highest version of a role that was verified, and the keys that had signed it."""

    version: int
    signed_by: tuple[str, ...]
    """Canonical key ids."""

    def holds_for(self, role: SigningRole) -> bool:
        """True if the file of that version would still meet the role's threshold.

        A version that a stolen key drove up no longer counts once the key is replaced; the original forgets it
        then as well, because the stored file no longer verifies (notary, ``client/tufclient.go`` ``tryLoadRemote``).
        """
        listed = {key.canonical_id for key in role.keys.values()}
        return len(listed.intersection(self.signed_by)) >= role.threshold


@dataclass(frozen=True, slots=True)
class TrustState:
    """The memory of one repository at one trust server."""

    gun: str
    root: bytes = field(repr=False)
    """The newest root that was trusted; the next has to be signed by its keys."""
    anchor: Anchor
    versions: Mapping[str, SeenVersion]
    """By role."""
    files: Mapping[str, bytes] = field(repr=False)
    """The files of the last complete update but for the root, by role; used while the hashes ask for them."""

    def encode(self) -> bytes:
        """As JSON, for a store."""
        anchor = {
            "kind": str(self.anchor.kind),
            "keyIds": list(self.anchor.key_ids),
            "at": self.anchor.at.astimezone(UTC).isoformat(),
            "rootVersion": self.anchor.root_version,
        }
        versions = {
            role: {"version": seen.version, "signedBy": list(seen.signed_by)} for role, seen in self.versions.items()
        }
        files = {role: content.decode() for role, content in self.files.items()}
        document = {"format": FORMAT, "gun": self.gun, "root": self.root.decode(), "anchor": anchor}
        return json.dumps(document | {"versions": versions, "files": files}, ensure_ascii=False).encode()

    @classmethod
    def decode(cls, stored: bytes) -> TrustState:
        """Read what ``encode`` wrote.

        Raises:
            InvalidTrustState: anything else. It must never count as "nothing remembered": that would be a first use.
        """
        if len(stored) > MAX_STATE_BYTES:
            raise InvalidTrustState(f"stored trust state has more than {MAX_STATE_BYTES} bytes")
        try:
            return cls._of(json.loads(stored))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InvalidTrustState(f"stored trust state cannot be read: {error!r}") from error

    @classmethod
    def _of(cls, document: Any) -> TrustState:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        anchor = document["anchor"]
        at = datetime.fromisoformat(anchor["at"])
        if at.tzinfo is None:
            raise ValueError("anchor.at has no offset from UTC")
        return cls(
            gun=_text(document["gun"]),
            root=_text(document["root"]).encode(),
            anchor=Anchor(AnchorKind(anchor["kind"]), _texts(anchor["keyIds"]), at, _whole(anchor["rootVersion"])),
            versions={
                role: SeenVersion(_whole(seen["version"]), _texts(seen["signedBy"]))
                for role, seen in document["versions"].items()
            },
            files={role: _text(content).encode() for role, content in document["files"].items()},
        )


def newer(one: TrustState, other: TrustState) -> TrustState:
    """Of two states of one repository that were made side by side, the one that rolls nothing back.

    The root that has come further decides; between equal roots the timestamp.
    """
    return max(one, other, key=_progress)


def _progress(state: TrustState) -> tuple[int, int]:
    versions = [state.versions[role].version if role in state.versions else 0 for role in ("root", "timestamp")]
    return versions[0], versions[1]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r:.40} is not a list")
    return tuple(_text(value) for value in values)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is not a whole number")
    return value
