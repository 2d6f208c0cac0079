"""etcd, kube-apiserver and kube-controller-manager on the loopback, and kubectl as its administrator.

There is no scheduler and no kubelet: pods stay Pending. Everything else is real: admission, controllers, RBAC, the
aggregation layer, garbage collection.
"""

from __future__ import annotations

import contextlib
import ssl
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cluster.binaries import folder, missing
from tests.support.certificates import Authority, Certificate
from tests.support.kubectl import Kubectl
from tests.support.processes import Running, free_port, started, wait_until
from tests.support.programs import program

READY_S = 90.0
"""On a busy machine; a quiet one takes 3 seconds."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane."""

    directory: Path
    ca: Authority
    """Issued every certificate of the API server, its clients, and webhooks."""
    front_proxy: Authority
    """Issued the certificate that the API server shows to servers behind its aggregation layer."""
    admin: Certificate
    api_server: Running
    kubectl: Kubectl
    etcd: Running

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT``."""
        return f"https://127.0.0.1:{self.api_server.port}"

    @property
    def audited(self) -> Path:
        """What service accounts of the namespace ``imagegate`` have asked for, an audit event a line."""
        return self.directory / AUDIT_LOG

    def context(self) -> ssl.SSLContext:
        """For requests of the administrator."""
        context = ssl.create_default_context(cafile=str(self.ca.bundle))
        context.load_cert_chain(self.admin.certificate, self.admin.key)
        return context

    def answers(self, path: str) -> bool:
        """True if a GET of the administrator has a good answer."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", context=self.context(), timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextlib.contextmanager
def control_plane(directory: Path, *audited: dict[str, Any], options: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """Run one until the block is left.

    Args:
        audited: further rules of the audit policy.
        options: further ones of the API server.

    Raises:
        AssertionError: the programs were not built, or one of them ended; with its output.
    """
    binaries = folder()
    assert not missing(binaries), f"{binaries} lacks {missing(binaries)}; `make test` builds them"
    ca = Authority(_made(directory / "pki"))
    front_proxy = Authority(_made(directory / "front-proxy"), "front-proxy-ca")
    service_accounts = _service_account_key(directory / "pki")
    admin = ca.issue("admin", organizations=("system:masters",))
    with contextlib.ExitStack() as stack:
        etcd = stack.enter_context(_etcd(directory))
        api_server = stack.enter_context(
            _api_server(directory, ca, front_proxy, service_accounts, etcd.port, audited, options)
        )
        plane = ControlPlane(directory, ca, front_proxy, admin, api_server, Kubectl(_made(directory / "kubectl")), etcd)
        _use(plane.kubectl.configuration, plane.url, ca, admin)
        wait_until(lambda: plane.answers("/readyz"), "kube-apiserver to be ready", timeout_s=READY_S)
        stack.enter_context(_controllers(directory, ca, service_accounts, plane))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_until(lambda: plane.answers(account), "the controllers to make the default account", timeout_s=READY_S)
        yield plane


def _etcd(directory: Path) -> contextlib.AbstractContextManager[Running]:
    port, peers = free_port(), free_port()
    here = f"http://127.0.0.1:{peers}"
    return started(
        [
            program("etcd"),
            f"--data-dir={directory / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{port}",
            f"--advertise-client-urls=http://127.0.0.1:{port}",
            f"--listen-peer-urls={here}",
            f"--initial-advertise-peer-urls={here}",
            f"--initial-cluster=default={here}",
            "--unsafe-no-fsync",
        ],
        port=port,
        log=directory / "etcd.log",
    )


def _api_server(
    directory: Path,
    ca: Authority,
    front_proxy: Authority,
    service_accounts: Path,
    etcd_port: int,
    audited: Sequence[dict[str, Any]],
    options: Sequence[str],
) -> contextlib.AbstractContextManager[Running]:
    server = ca.issue("kube-apiserver", addresses=("127.0.0.1", "10.96.0.1"))
    proxy = front_proxy.issue("front-proxy-client")
    port = free_port()
    return started(
        [
            folder() / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # a loopback address is refused as an endpoint
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={ca.bundle}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={service_accounts}",
            f"--service-account-signing-key-file={service_accounts}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            f"--requestheader-client-ca-file={front_proxy.bundle}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
            f"--admission-control-config-file={_webhook_client(directory, ca)}",
            f"--audit-policy-file={_audit_policy(directory, audited)}",
            f"--audit-log-path={directory / AUDIT_LOG}",
            *options,
        ],
        port=port,
        log=directory / "kube-apiserver.log",
    )


AUDIT_LOG = "audit.log"


def _audit_policy(directory: Path, audited: Sequence[dict[str, Any]]) -> Path:
    """Requests of service accounts of the namespace ``imagegate`` are written down, without bodies."""
    rules = [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts:imagegate"], "omitStages": ["RequestReceived"]},
        *audited,
        {"level": "None"},
    ]
    path = directory / "audit-policy.yaml"
    path.write_text(
        yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}), encoding="utf-8"
    )
    return path


WEBHOOK_CLIENT = "kube-apiserver-webhooks"
"""Common name of the certificate that the API server shows to webhooks."""


def _webhook_client(directory: Path, ca: Authority) -> Path:
    """A configuration with which the API server shows a client certificate to every webhook that asks for one."""
    client = ca.issue(WEBHOOK_CLIENT)
    user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    kubeconfig = directory / "webhooks.kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]}),
        encoding="utf-8",
    )
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(kubeconfig),
    }
    names = ("ValidatingAdmissionWebhook", "MutatingAdmissionWebhook")
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": name, "configuration": configuration} for name in names],
    }
    path = directory / "admission.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _controllers(
    directory: Path, ca: Authority, service_accounts: Path, plane: ControlPlane
) -> contextlib.AbstractContextManager[Running]:
    client = ca.issue("system:kube-controller-manager")
    configuration = directory / "controllers.kubeconfig"
    _use(configuration, plane.url, ca, client)
    port = free_port()
    return started(
        [
            folder() / "kube-controller-manager",
            *(f"--{each}kubeconfig={configuration}" for each in ("", "authentication-", "authorization-")),
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={service_accounts}",
            f"--root-ca-file={ca.bundle}",
        ],
        port=port,
        log=directory / "kube-controller-manager.log",
    )


def _use(configuration: Path, server: str, ca: Authority, client: Certificate) -> None:
    """Write a kubeconfig for a client with a certificate."""
    user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(ca.bundle)}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
        "current-context": "test",
    }
    configuration.write_text(yaml.safe_dump(document), encoding="utf-8")


def _service_account_key(directory: Path) -> Path:
    """The key that signs tokens of service accounts."""
    path = directory / "service-accounts.key"
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return path


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
