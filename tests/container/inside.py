"""In fresh mount, process and network namespaces: run a container's files as the configuration on standard input says.

``python -m tests.container.inside ROOT USER:GROUP``. The root file system is read-only; ``/tmp`` and ``/dev/shm`` are
in memory, as in openshift/base/deployment.yaml. Exits with 1 and a line if something is not as it should be.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.service import CONFIG

URL = "http://127.0.0.1:8080"
START_S = 30.0
END_S = 35.0
"""Longer than a drain and the requests that run (docs/operating.md)."""
DEVICES = ("null", "zero", "random", "urandom")


def main(root: Path, user: str) -> None:
    config = json.load(sys.stdin)
    mount(root)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    inside = command(root, user, config["Env"])
    as_root: list[str | Path] = ["chroot", root, "touch", "/opt/imagegate/written"]
    if subprocess.run(as_root, capture_output=True, check=False).returncode == 0:
        sys.exit("the root file system can be written")
    with subprocess.Popen([*inside, *config["Entrypoint"], *config["Cmd"]], stderr=subprocess.PIPE) as service:
        try:
            check(service, inside, config)
        finally:
            service.kill()


def check(service: subprocess.Popen[bytes], inside: list[str | Path], config: dict[str, Any]) -> None:
    """Wait until the service is ready, ask it, and end it as an engine does."""
    wait_until_ready(service)
    subprocess.run([*inside, *config["Healthcheck"]["Test"][1:]], check=True)
    if (answer := review("step-3-other-registry"))["allowed"]:
        sys.exit(f"an image of another registry was allowed: {answer}")
    service.send_signal(signal.Signals[config["StopSignal"]])
    if (code := service.wait(END_S)) != 0:
        sys.exit(f"the service ended with {code}")


def mount(root: Path) -> None:
    """Mount what an engine mounts, and make the rest read-only."""
    subprocess.run(["mount", "--bind", root, root], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)
    for name in ("tmp", "dev"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / name], check=True)
    for name in DEVICES:
        (root / "dev" / name).touch()
        subprocess.run(["mount", "--bind", f"/dev/{name}", root / "dev" / name], check=True)
    (root / "dev/shm").mkdir(mode=0o1777)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev/shm"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)


def command(root: Path, user: str, environment: list[str]) -> list[str | Path]:
    """The words before a command of the container: no capabilities, and none to be had."""
    uid, _, gid = user.partition(":")
    who = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    return [
        "chroot",
        root,
        "/usr/bin/setpriv",
        *who,
        "--no-new-privs",
        "/usr/bin/env",
        "-i",
        "-C",
        "/tmp",
        *environment,
    ]


def wait_until_ready(service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            with urllib.request.urlopen(f"{URL}/readyz", timeout=2):
                return
        except urllib.error.URLError:
            time.sleep(0.2)
    service.kill()
    _, error = service.communicate()
    sys.exit(f"not ready after {START_S:.0f} s: {error.decode(errors='replace')[-2000:]}")


def review(sample: str) -> dict[str, Any]:
    """The response to one of the sample reviews."""
    body = (CONFIG / f"examples/reviews/{sample}.json").read_bytes()
    request = urllib.request.Request(f"{URL}/mutate", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        response: dict[str, Any] = json.load(answer)["response"]
    return response


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
