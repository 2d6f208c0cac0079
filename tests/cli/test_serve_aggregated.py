"""``serve`` with options with which no caller behind an API server could be authenticated."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.service import IMAGEGATE


@pytest.mark.parametrize(
    "options, why",
    [
        ((), "imageApi.aggregation needs TLS"),
        (("--tls", "--worker", "gthread"), "needs --server gunicorn and --worker event-loop"),
        (("--tls", "--server", "granian"), "needs --server gunicorn and --worker event-loop"),
    ],
)
def test_it_is_refused(tmp_path: Path, ca: Authority, options: tuple[str, ...], why: str) -> None:
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("cluster: {}\nimageApi: {aggregation: {enabled: true}}\n")
    tls = ("--tls-cert", str(ca.server.certificate), "--tls-key", str(ca.server.key))
    given = [each for option in options for each in (tls if option == "--tls" else (option,))]
    command: list[str | Path] = [IMAGEGATE, "serve", "--settings", settings, "--bind", "127.0.0.1:0", *given]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 2
    assert why in " ".join(ran.stderr.split())
