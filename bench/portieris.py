"""Portieris, as its project builds it, as a webhook of the bench's API server.

It listens at fixed ports of all addresses and reads its certificate from ``/etc/certs``. So it runs in namespaces of
the kernel where the loopback is the only network, and ``/etc`` has a layer of its own: ``isolated`` starts Python anew
in them. No privileges are needed where unprivileged user namespaces are allowed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from bench.admissions import cluster_image_policy
from bench.api_server import ApiServer
from bench.figures import WrongAnswer
from bench.servers import ROOT, Server, running

PORT = 8000
URL = f"https://127.0.0.1:{PORT}/admit"
_ISOLATED = "BENCH_ISOLATED"
_CERTIFICATES = Path("/etc/certs")
_CRDS = ROOT / "openshift" / "base" / "crds"


def isolated(module: str, arguments: Sequence[str]) -> None:
    """Return in namespaces of our own, with a network that is only the loopback; starts ``module`` anew for that."""
    if _ISOLATED not in os.environ:
        command = ["unshare", "--map-root-user", "--net", "--mount", sys.executable, "-m", module, *arguments]
        os.execvpe(command[0], command, {**os.environ, _ISOLATED: "1"})  # noqa: S606 - no shell wanted
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextlib.contextmanager
def certificates(api: ApiServer) -> Iterator[None]:
    """Put the certificate where Portieris looks for it: into a layer of ``/etc`` that is gone after the block."""
    layer = api.directory / "etc"
    layer.mkdir()
    with _mounted(layer, "tmpfs"):
        for name in ("upper", "work"):
            (layer / name).mkdir()
        with _mounted(Path("/etc"), "overlay", f"lowerdir=/etc,upperdir={layer / 'upper'},workdir={layer / 'work'}"):
            _CERTIFICATES.mkdir(exist_ok=True)
            certificate = api.plane.ca.server
            shutil.copy(certificate.certificate, _CERTIFICATES / "tls.crt")
            shutil.copy(certificate.key, _CERTIFICATES / "tls.key")
            shutil.copy(api.plane.ca.bundle, _CERTIFICATES / "ca.pem")
            yield


@contextlib.contextmanager
def _mounted(where: Path, kind: str, options: str = "mode=755") -> Iterator[None]:
    subprocess.run(["mount", "-t", kind, kind, "-o", options, where], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


def apply_policy(api: ApiServer) -> None:
    """Put its policy into the API server, under our own definitions of its kinds."""
    names = [f"{kind}.portieris.cloud.ibm.com" for kind in ("imagepolicies", "clusterimagepolicies")]
    for name in names:
        api.plane.kubectl("apply", "-f", _CRDS / f"{name}.yaml")
    api.plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in names))
    api.plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(cluster_image_policy()))


@contextlib.contextmanager
def serving(binary: Path, api: ApiServer) -> Iterator[Server]:
    """Portieris with the administrator's kubeconfig, and the flags of its image."""
    directory = api.directory / "portieris"
    directory.mkdir(exist_ok=True)
    flags = ("--alsologtostderr", "-v=4", "-log_dir", directory, "-kubeconfig", api.plane.kubectl.configuration)
    command = ("env", "-C", directory, binary, *flags)  # it writes to the folder that it is started in
    log = directory / "portieris.log"
    with running(binary.name, command, port=PORT, cpus=None, log=log) as server:
        yield dataclasses.replace(server, scheme="https")


def version(binary: Path, api: ApiServer) -> str:
    """The version that its log names, or Go's name for it."""
    log = (api.directory / "portieris" / "portieris.log").read_text(errors="replace")
    found = re.search(r"Starting portieris (\S+)", log)
    if found is None:
        raise WrongAnswer(f"{binary} does not say that it is Portieris: {log[-1000:]}")
    return found[1]
