"""Replicas of imagegate behind a balancer, with a serving certificate that they make themselves."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.webhooks import Hooked, configure, make_namespace
from tests.support.balancer import Balancer, is_ready
from tests.support.processes import Running, free_port, started, wait_until
from tests.support.service import CONFIG, IMAGEGATE, Service

SECRET, CA_SECRET = "imagegate-serving-cert", "imagegate-ca"


@dataclass(slots=True)
class Replicas:
    """Up to some replicas of one installation, in a namespace of its own."""

    plane: ControlPlane
    directory: Path
    namespace: str
    balancer: Balancer
    certificate: dict[str, Any] = field(default_factory=dict)
    """Settings of ``server.certificate``, in place of the usual ones."""
    server: dict[str, Any] = field(default_factory=dict)
    kubeconfig: Path | None = None
    """None: the administrator's."""
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    running: dict[int, Running] = field(default_factory=dict)

    def settings(self) -> Path:
        """The settings file."""
        path = self.directory / "imagegate.yaml"
        certificate = {
            "source": "self",
            "namespace": self.namespace,
            "names": ["127.0.0.1"],
            "webhookConfigurations": [self.namespace],
            "apiServices": [],
            "settleS": 2,
            "lookEveryS": 0.5,
            **self.certificate,
        }
        document = {
            "config": str(self.directory / "master-config.yaml"),
            "cluster": {"kubeconfig": str(self.kubeconfig or self.plane.kubectl.configuration)},
            "server": {"certificate": certificate, "drainS": 2, **self.server},
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def start(self, number: int, *, wait: bool = True) -> Service:
        """Start one replica; a port stays with its number."""
        port = self.balancer.ports[number]
        command: list[str | Path] = [
            IMAGEGATE,
            "serve",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            "2",
            "--settings",
            self.settings(),
        ]
        log = self.directory / f"serve-{number}-{len(list(self.directory.glob('serve-*')))}.log"
        environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / f"state-{number}")}
        self.running[number] = self._stack.enter_context(
            started(command, port=port, log=log, env=environment, cwd=self.directory)
        )
        if wait:
            self.wait_ready(number)
        return self.service(number)

    def wait_ready(self, number: int) -> None:
        """Wait until a replica is ready."""
        running = self.running[number]
        try:
            wait_until(lambda: is_ready(running.port), "the replica to be ready", timeout_s=60)
        except TimeoutError as error:
            raise AssertionError(f"{self.service(number).get('/readyz').content!r}\n{running.output()}") from error

    def service(self, number: int) -> Service:
        """For requests to one replica, whatever its certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return Service(self.running[number], context)

    def hooked(self) -> Hooked:
        """The namespace whose pods are reviewed."""
        return Hooked(self.plane, self.service(next(iter(self.running))), self.namespace)

    def hooked_kubectl(self, *arguments: str | Path, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
        """``kubectl`` of the administrator in this namespace."""
        return self.plane.kubectl("-n", self.namespace, *arguments, text_in=text_in)

    def secret(self, name: str) -> dict[str, Any]:
        """A Secret, decoded from JSON."""
        found: dict[str, Any] = self.plane.kubectl.json("-n", self.namespace, "get", "secret", name)
        return found

    def bundles(self) -> set[str]:
        """The different bundles in both webhook configurations."""
        found = set()
        for kind in ("mutating", "validating"):
            configuration = self.plane.kubectl.json("get", f"{kind}webhookconfiguration", self.namespace)
            found |= {webhook["clientConfig"].get("caBundle", "") for webhook in configuration["webhooks"]}
        return found

    def serials(self) -> list[str]:
        """The certificate that each replica shows now."""
        return [ssl.get_server_certificate(("127.0.0.1", each.port)) for each in self.running.values()]


@contextlib.contextmanager
def replicas(plane: ControlPlane, directory: Path, namespace: str, *, most: int = 2) -> Iterator[Replicas]:
    """An installation without a replica yet; its webhooks trust nothing yet."""
    shutil.copy(CONFIG / "master-config.yaml", directory)
    with contextlib.ExitStack() as stack:
        balancer = stack.enter_context(Balancer([free_port() for _ in range(most)]).running())
        found = Replicas(plane, directory, namespace, balancer, _stack=stack)
        make_namespace(plane, namespace, namespace)
        configure(plane.kubectl, namespace, f"https://127.0.0.1:{balancer.port}", None, ("/mutate", "/validate"))
        try:
            yield found
        finally:
            for kind in ("mutating", "validating"):
                plane.kubectl("delete", f"{kind}webhookconfiguration", namespace, "--ignore-not-found")
            plane.kubectl("delete", "namespace", namespace, "--wait=false")
