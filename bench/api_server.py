"""A real API server under load: pods are created as a dry run, so that nothing is stored and all else happens.

A dry run passes authentication, authorization, decoding, defaults, admission with its webhooks, and validation, and
reads etcd once; it is the least that an API server does for a pod, so a webhook's share is never larger than here.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench import reviews
from bench.figures import WrongAnswer, median
from bench.load import Load, put_under_load
from bench.servers import Server
from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.webhooks import LABEL, make_namespace
from tests.support.processes import wait_until

ALLOWED, DENIED = "docker.io/team/app:v1", "quay.example/team/app:v1"
CLIENTS = 16
RESOURCES = (
    "pods", "deployments", "replicationcontrollers", "replicasets", "daemonsets", "statefulsets", "jobs", "cronjobs"
)  # fmt: skip
"""What Portieris' own configuration asks for."""


@dataclass(slots=True)
class Target:
    """A namespace whose pods one webhook examines, or none, and what its rounds showed."""

    namespace: str
    webhook: Server | None
    decides: bool = True
    """False for a webhook that allows everything."""
    rounds: list[Load] = field(default_factory=list)
    webhook_cpu_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Admissions per second, median of the rounds."""
        return median([each.per_second for each in self.rounds])

    @property
    def cpu_ms(self) -> float:
        """Processor time of all the webhook's processes per admission."""
        return median(self.webhook_cpu_ms)

    @property
    def api_server_cpu_ms(self) -> float:
        """Processor time of kube-apiserver per admission."""
        return median([each.cpu_us for each in self.rounds]) / 1000

    @property
    def p50_ms(self) -> float:
        """Median of the rounds' medians."""
        return median([each.p50_ms for each in self.rounds])

    @property
    def p99_ms(self) -> float:
        """Median of the rounds' 99th percentiles."""
        return median([each.p99_ms for each in self.rounds])


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The control plane, and a client that may do everything."""

    plane: ControlPlane
    server: Server
    token: str = field(repr=False)
    directory: Path = field(repr=False)

    def hook(self, namespace: str, url: str | None) -> None:
        """Make a namespace whose objects the API server shows to the mutating webhook at ``url``; None: to nobody."""
        make_namespace(self.plane, namespace, namespace)
        if url is None:
            return
        webhook = {
            "name": f"{namespace}.bench.example",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(self.plane.ca.bundle.read_bytes()).decode()},
            "rules": [
                {
                    "apiGroups": ["*"],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": list(RESOURCES),
                }
            ],
            "namespaceSelector": {"matchLabels": {LABEL: namespace}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "admissionReviewVersions": ["v1"],
        }
        document = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [webhook],
        }
        self.plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(document))

    def create(self, namespace: str, image: str) -> tuple[int, str]:
        """The answer to a dry run of creating a pod: its status, and its message or the image that would be stored."""
        context = ssl.create_default_context(cafile=str(self.plane.ca.bundle))
        port, body = self.plane.api_server.port, json.dumps(_pod(namespace, image, 0))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
            connection.request("POST", _path(namespace), body, headers)
            answer = connection.getresponse()
            found = json.loads(answer.read())
        if answer.status >= 400:
            return answer.status, found["message"]
        return answer.status, found["spec"]["containers"][0]["image"]

    def check(self, target: Target) -> None:
        """See that the right pod is allowed, as it is, and the wrong one denied by the webhook.

        Raises:
            WrongAnswer: it is not so.
        """
        if target.webhook is not None and target.decides:
            status, said = self.create(target.namespace, DENIED)
            if status < 400 or "denied the request" not in said:
                raise WrongAnswer(f"{target.namespace}: {DENIED} must be denied: {status} {said}")
        status, said = self.create(target.namespace, ALLOWED)
        if (status, said) != (201, ALLOWED):
            raise WrongAnswer(f"{target.namespace}: {ALLOWED} must be allowed: {status} {said}")

    def wait_for(self, target: Target) -> None:
        """Wait until the API server has seen the webhook's configuration, which takes it a moment."""
        if target.webhook is not None and target.decides:
            wait_until(lambda: self.create(target.namespace, DENIED)[0] >= 400, f"the webhook of {target.namespace}")
        self.check(target)

    def put_under_load(self, target: Target, seconds: int, *, counts: bool = True) -> None:
        """One round: ``CLIENTS`` connections that create allowed pods.

        Raises:
            WrongAnswer: one was not created.
        """
        pods = [_pod(target.namespace, ALLOWED, number) for number in range(CLIENTS)]
        bodies = reviews.write(pods, self.directory, f"pod-{target.namespace}")
        before = 0.0 if target.webhook is None else target.webhook.cpu_s()
        load = put_under_load(
            self.server,
            _path(target.namespace),
            bodies,
            seconds=seconds,
            connections=CLIENTS,
            pinned=False,
            headers=(f"Authorization: Bearer {self.token}",),
        )
        if load.failures:
            raise WrongAnswer(f"{target.namespace}: {load.failures} of {load.requests} pods were not created")
        if counts:
            used_s = 0.0 if target.webhook is None else target.webhook.cpu_s() - before
            target.rounds.append(load)
            target.webhook_cpu_ms.append(used_s / load.requests * 1000)

    def alternate(self, targets: Sequence[Target], *, rounds: int, seconds: int) -> None:
        """Check every target, warm it up, and put all under load in turn; check again."""
        for target in targets:
            self.wait_for(target)
            self.put_under_load(target, 2, counts=False)
        for _ in range(rounds):
            for target in targets:
                self.put_under_load(target, seconds)
        for target in targets:
            self.check(target)


@contextlib.contextmanager
def api_server(directory: Path) -> Iterator[ApiServer]:
    """A control plane (``tests.cluster``: its programs are built once, or ``KUBEBUILDER_ASSETS`` has them)."""
    with control_plane(directory) as plane:
        yield client_of(plane, directory)


def client_of(plane: ControlPlane, directory: Path) -> ApiServer:
    """The API server of a running control plane; files of the bench are written to ``directory``."""
    running = plane.api_server
    server = Server("kube-apiserver", running.port, running.process, 0.0, scheme="https")
    return ApiServer(plane, server, _token(plane), directory)


def _token(plane: ControlPlane) -> str:
    """A token for a service account that may do everything: wrk knows no client certificates."""
    plane.kubectl("create", "serviceaccount", "bench", "-n", "default")
    plane.kubectl(
        "create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin", "--serviceaccount=default:bench"
    )
    return plane.kubectl("create", "token", "bench", "-n", "default", "--duration=2h").stdout.strip()


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods?dryRun=All"


def _pod(namespace: str, image: str, number: int) -> dict[str, Any]:
    return reviews.pod(f"pod-{number}", namespace, [reviews.container("main", image, variables=14)])
