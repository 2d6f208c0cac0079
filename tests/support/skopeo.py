"""skopeo with a run-time directory, credentials file and signature folder of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.programs import program, run


class Skopeo:
    """Runs skopeo; nothing of the user's configuration is read or written."""

    def __init__(self, directory: Path, *, gpg_home: Path | None = None) -> None:
        self.directory = directory
        home, runtime = directory / "home", directory / "run"
        for folder in (home, runtime):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._policy = directory / "policy.json"
        self._policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="utf-8")
        self._registries_d = directory / "registries.d"
        self._registries_d.mkdir(exist_ok=True)
        self._lookaside(None, None)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "REGISTRY_AUTH_FILE": str(directory / "auth.json"),
        }
        if gpg_home is not None:
            self._env["GNUPGHOME"] = str(gpg_home)

    def lookaside(self, host: str, *, read: str, write: Path) -> None:
        """Signatures of ``host`` (``127.0.0.1:5000``) are read from the URL ``read`` and written below ``write``."""
        self._lookaside(host, f"    lookaside: {read}\n    lookaside-staging: file://{write}\n")

    def _lookaside(self, host: str | None, lines: str | None) -> None:
        nowhere = self.directory / "unused-signatures"
        text = f"default-docker:\n  lookaside: file://{nowhere}\n  lookaside-staging: file://{nowhere}\n"
        if host is not None:
            text += f"docker:\n  {host}:\n{lines}"
        (self._registries_d / "test.yaml").write_text(text, encoding="utf-8")

    def __call__(
        self, *arguments: str | Path, policy: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """``skopeo ARGUMENTS``; ``policy``: a containers policy.json, default: accept anything."""
        command: list[str | Path] = [
            program("skopeo"),
            "--policy",
            policy or self._policy,
            "--registries.d",
            self._registries_d,
        ]
        return run([*command, *arguments], env=self._env, check=check)
