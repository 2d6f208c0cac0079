from __future__ import annotations

import pytest

from tests.support.trust_collection import Collection
from tests.support.trust_keys import ecdsa_key

MANIFEST = b'{"schemaVersion":2}'


@pytest.fixture
def collection() -> Collection:
    """Published: ``v1`` in ``targets/releases`` and ``targets/alice``, ``base`` in ``targets``."""
    made = Collection()
    alice = ecdsa_key()
    made.delegate("targets/releases", alice)
    made.delegate("targets/alice", alice)
    made.tag("targets", "base", MANIFEST)
    made.tag("targets/releases", "v1", MANIFEST)
    made.tag("targets/alice", "v1", MANIFEST)
    return made.publish()
