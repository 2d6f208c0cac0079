"""``python -m tests.cluster``: build the programs of the cluster tests if need be, and print their folder."""

from __future__ import annotations

from functools import partial

from tests.cluster.binaries import ensure

if __name__ == "__main__":
    print(ensure(partial(print, flush=True)))
