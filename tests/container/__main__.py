"""Build the Dockerfile with buildah on a base of Debian packages, and run the image as Kubernetes would.

No registry is needed: mmdebstrap makes a base with Python, which the build argument ``BASE`` names. The image is run
with its own entry point and environment, a read-only root file system and no capabilities, as the user it names and as
one that OpenShift would choose. Needs root, since it mounts; buildah, mmdebstrap and util-linux from Debian.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagegate import __version__
from tests.support.service import ROOT

BASE = "localhost/imagegate-check-base"
IMAGE = "localhost/imagegate-check"
PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-pip", "python3-venv")
FROM_HOST = ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/etc/pip.conf")
"""What a build needs where a proxy has a CA of its own; the Dockerfile knows nothing of it."""
OPENSHIFT_USER = "1000660000:0"
"""A user without a name, in the group root, as OpenShift's restricted-v2 gives one to each namespace."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="imagegate-container-") as name:
        buildah = Buildah(Path(name))
        buildah.make_base(Path(name) / "base.tar")
        buildah.build()
        config = buildah.config()
        problems = config_problems(config)
        for user in (config["User"], OPENSHIFT_USER):
            problems += buildah.run(config, user)
    sys.stdout.write("".join(f"{problem}\n" for problem in problems) or "the image builds, and runs as any user\n")
    return 1 if problems else 0


def config_problems(config: dict[str, Any]) -> list[str]:
    """What the image's configuration lacks."""
    labels = config["Labels"]
    wanted = {"title": "imagegate", "version": __version__, "revision": "checked", "base.name": BASE}
    problems = [
        f"label {key} is {labels.get(f'org.opencontainers.image.{key}')}, not {value}"
        for key, value in wanted.items()
        if labels.get(f"org.opencontainers.image.{key}") != value
    ]
    if config["User"].partition(":")[0] in ("", "0", "root"):
        problems.append("the image runs as root")
    return problems


class Buildah:
    """buildah with a storage of its own, below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._command = ("buildah", "--root", str(folder / "store"), "--runroot", str(folder / "run"))

    def make_base(self, archive: Path) -> None:
        """Make a base image with Python from Debian packages."""
        include = f"--include={','.join(PACKAGES)}"
        mirror = "deb http://deb.debian.org/debian bookworm main"
        subprocess.run(["mmdebstrap", "--variant=minbase", include, "bookworm", archive, mirror], check=True)
        container = self._ask("from", "scratch")
        self._ask("add", container, str(archive), "/")
        self._ask("commit", "--rm", container, BASE)

    def build(self) -> None:
        """Build the Dockerfile with what ``.dockerignore`` lets through."""
        volumes = [f"--volume={path}:{path}:ro" for path in FROM_HOST if Path(path).exists()]
        arguments = [f"--build-arg={each}" for each in (f"BASE={BASE}", "REVISION=checked")]
        how = ("--isolation=chroot", "--network=host", "--pull-never", "--format=docker")
        subprocess.run([*self._command, "build", *how, *volumes, *arguments, "-t", IMAGE, ROOT], check=True)

    def config(self) -> dict[str, Any]:
        """The configuration that engines read."""
        config: dict[str, Any] = json.loads(self._ask("inspect", "--type", "image", IMAGE))["Docker"]["config"]
        return config

    def run(self, config: dict[str, Any], user: str) -> list[str]:
        """Run the image as ``user`` in namespaces of its own, and give what went wrong."""
        container = self._ask("from", "--pull-never", IMAGE)
        root = self._ask("mount", container)
        unshare = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child")
        inside = [*unshare, sys.executable, "-m", "tests.container.inside", root, user]
        done = subprocess.run(
            inside, cwd=ROOT, input=json.dumps(config), capture_output=True, text=True, timeout=120, check=False
        )
        self._ask("umount", container)
        self._ask("rm", container)
        return [] if done.returncode == 0 else [f"as {user}: {done.stdout}{done.stderr}"]

    def _ask(self, *words: str) -> str:
        command: Sequence[str] = (*self._command, *words)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
