"""Processor time of a chain of trust data: six files, nothing cached."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure, Options, WrongAnswer, median
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.content_trust import certificates, keys
from imagegate.core.content_trust.fetches import Fetch, run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.signed_digest import signed_digest
from imagegate.core.content_trust.update import update

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "data" / "samples" / "notary" / "server-ecdsa"
"""Served by a real notary-server: ECDSA keys, one RSA key in a certificate, two delegations."""
GUN = "127.0.0.1:5000/signed/app"
TAG, DIGEST = "v2", "sha256:0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a"
GOAL_MS = 2.0
UPDATES = 200
"""In one round."""
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_ROLES = ("root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice")


def trust_chain(options: Options) -> list[Figure]:
    """A first update and the digest of one tag, with keys and certificates decoded anew each time."""
    files = {role: (SAMPLES / f"{role}.json").read_bytes() for role in _ROLES}
    asked: list[str] = []

    def fetch(wanted: Fetch) -> Lookup[bytes]:
        asked.append(wanted.role)
        return Found(files[wanted.role])

    _verify(fetch)
    if tuple(asked) != _ROLES:
        raise WrongAnswer(f"trust chain: {asked}")
    rounds = [_round(fetch) for _ in range(max(options.rounds, 3))]
    return [Figure("trust_chain", median(rounds), "ms", at_most=GOAL_MS)]


def _round(fetch: Callable[[Fetch], Lookup[bytes]]) -> float:
    started = time.process_time()
    for _ in range(UPDATES):
        _verify(fetch)
    return (time.process_time() - started) / UPDATES * 1000


def _verify(fetch: Callable[[Fetch], Lookup[bytes]]) -> None:
    keys.decode_key.cache_clear()
    certificates.read_certificates.cache_clear()
    repository = run(update(GUN, None, Pinning(), _NOW), fetch).repository
    if repository is None or signed_digest(repository, TAG).digest != DIGEST:
        raise WrongAnswer("trust chain: not the signed digest")
