"""One control plane for all tests of this folder that run in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane, control_plane


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """A real API server with controllers."""
    with tempfile.TemporaryDirectory(prefix="plane-") as name, control_plane(Path(name)) as found:
        yield found
