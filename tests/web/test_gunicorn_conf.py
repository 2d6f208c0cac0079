"""The configuration for a gunicorn of one's own starts the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import requests

from tests.support.processes import free_port, started

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_gunicorn_of_ones_own_serves(tmp_path: Path) -> None:
    port = free_port()
    gunicorn = Path(sys.executable).with_name("gunicorn")
    command: list[str | Path] = [gunicorn, "-c", "config/gunicorn.conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", "1"]
    env = {**os.environ, "IMAGEGATE_SETTINGS": str(ROOT / "config" / "imagegate.yaml")}
    with started(command, port=port, log=tmp_path / "log", env=env, cwd=ROOT) as running:
        answer = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10)
        assert answer.status_code == 200, running.output()
        assert answer.json()["policies"]["plugins"]
