"""Files of published Go modules."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests.cluster import binaries


def module_file(module: str, version: str, path: str) -> Path:
    """A file of a module, from Go's cache or the module proxy."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "go.mod").write_text("module example.invalid/files\n\ngo 1.24\n", encoding="utf-8")
        done = subprocess.run(
            [binaries.go_program(), "mod", "download", "-json", f"{module}@{version}"],
            cwd=folder,
            env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
            check=True,
            stdout=subprocess.PIPE,
        )
    return Path(json.loads(done.stdout)["Dir"]) / path
