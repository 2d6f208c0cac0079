"""imagegate as a webhook of the real API server, for the namespaces of one label."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import ControlPlane
from tests.support.certificates import Certificate
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until
from tests.support.service import Service, serving

LABEL = "imagegate.test/by"
WORKLOADS = (
    {"apiGroups": [""], "resources": ["pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets", "daemonsets"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"]},
)
_NAMES = "imagegate.{kind}.{label}.example"


@dataclass(frozen=True, slots=True)
class Hooked:
    """A service that the API server asks, and the namespace it is asked for."""

    plane: ControlPlane
    service: Service
    namespace: str

    def __call__(self, *arguments: str | Path, text_in: str | None = None, check: bool = True) -> str:
        """What ``kubectl -n NAMESPACE ARGUMENTS`` prints, errors included."""
        done = self.plane.kubectl("-n", self.namespace, *arguments, text_in=text_in, check=check)
        return done.stdout + done.stderr

    def json(self, *arguments: str | Path) -> Any:
        """``kubectl -n NAMESPACE ARGUMENTS -o json``, decoded."""
        return self.plane.kubectl.json("-n", self.namespace, *arguments)

    def apply(self, *documents: dict[str, Any], how: Sequence[str] = ("apply",), check: bool = True) -> str:
        """``kubectl apply -f -`` of the documents; ``how``: another command and its options."""
        return self(*how, "-f", "-", text_in=yaml.safe_dump_all(documents), check=check)


@contextlib.contextmanager
def hooked(
    plane: ControlPlane,
    label: str,
    directory: Path,
    *options: str | Path,
    paths: tuple[str, str],
    workers: int = 2,
    certificate: Certificate | None = None,
) -> Iterator[Hooked]:
    """Serve with ``options`` and TLS, and let the API server ask for a new namespace.

    Args:
        label: names the webhooks and the namespace.
        paths: endpoints of the mutating and of the validating webhook.
        certificate: of the service, for 127.0.0.1; None: the CA's default one.
    """
    certificate = certificate or plane.ca.server
    tls = ("--tls-cert", certificate.certificate, "--tls-key", certificate.key)
    context = plane.context()
    with serving(directory, *options, *tls, context=context, workers=workers) as service:
        configure(plane.kubectl, label, f"https://127.0.0.1:{service.running.port}", plane.ca.bundle, paths)
        try:
            make_namespace(plane, label, label)
            found = Hooked(plane, service, label)
            try:
                wait_until(lambda: _is_asked(found), "the API server to ask the webhooks")
            except TimeoutError as error:
                raise AssertionError(f"{_probe(found)}\n{service.running.output()[-2000:]}") from error
            yield found
        finally:
            for kind in ("mutating", "validating"):
                plane.kubectl("delete", f"{kind}webhookconfiguration", label, "--ignore-not-found")
            plane.kubectl("delete", "namespace", label, "--wait=false")


def configure(kubectl: Kubectl, label: str, url: str, ca: Path | None, paths: tuple[str, str]) -> None:
    """Apply both webhook configurations; without ``ca`` they trust nobody yet."""
    documents = []
    for kind, path in zip(("Mutating", "Validating"), paths, strict=True):
        webhook: dict[str, Any] = {
            "name": _NAMES.format(kind=kind.lower(), label=label),
            "clientConfig": {"url": f"{url}{path}"},
            "rules": [{**each, "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"]} for each in WORKLOADS],
            "namespaceSelector": {"matchLabels": {LABEL: label}},
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "admissionReviewVersions": ["v1"],
        }
        if ca is not None:
            webhook["clientConfig"]["caBundle"] = base64.b64encode(ca.read_bytes()).decode()
        if kind == "Mutating":
            webhook["reinvocationPolicy"] = "IfNeeded"
        documents.append(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": f"{kind}WebhookConfiguration",
                "metadata": {"name": label},
                "webhooks": [webhook],
            }
        )
    kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all(documents))


def make_namespace(plane: ControlPlane, name: str, label: str) -> None:
    """A namespace for which the API server asks the webhooks of ``label``, with its default account."""
    labels = {LABEL: label}
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(document))
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_until(lambda: plane.answers(account), f"the default account of {name}")


def _is_asked(found: Hooked) -> bool:
    """True once a pod of an unknown registry is refused: the API server takes a moment to see a configuration."""
    said = _probe(found)
    return "created" not in said and "connection refused" not in said


def _probe(found: Hooked) -> str:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "a", "image": "never.example/a/b:1"}]},
    }
    return found.apply(pod, how=("create", "--dry-run=server"), check=False)
