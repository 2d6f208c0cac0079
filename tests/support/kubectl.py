"""kubectl with a home, cache and configuration of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import program, run


class Kubectl:
    """Runs kubectl against one server; nothing of the user's configuration is read or written."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.configuration = home / "kubeconfig"
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECONFIG": str(self.configuration),
            "KUBECACHEDIR": str(home / "cache"),
            "TERM": "dumb",
        }

    def use(
        self, server: str, *, ca: Path | None = None, token: str = "", namespace: str = "default", user: str = "test"
    ) -> None:
        """Ask ``server`` (``http[s]://127.0.0.1:PORT``) from now on."""
        cluster: dict[str, Any] = {"server": server}
        if ca is not None:
            cluster["certificate-authority"] = str(ca)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token} if token else {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}],
            "current-context": "test",
        }
        self.configuration.write_text(yaml.safe_dump(document), encoding="utf-8")

    def __call__(
        self, *arguments: str | Path, text_in: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """``kubectl ARGUMENTS``."""
        return run([program("kubectl"), *arguments], env=self._env, text_in=text_in, check=check)

    def json(self, *arguments: str | Path) -> Any:
        """``kubectl ARGUMENTS -o json``, decoded."""
        return json.loads(self(*arguments, "-o", "json").stdout)
