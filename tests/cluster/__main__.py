"""``python -m tests.cluster``: build the programs of the cluster tests if need be, and print where they are."""

from __future__ import annotations

from functools import partial

from tests.cluster.binaries import ensure, ensure_helm
from tests.support.go_clients import go_client

if __name__ == "__main__":
    tell = partial(print, flush=True)
    tell(ensure(tell))
    tell(ensure_helm(tell))
    tell(go_client("informer").parent)
