"""The serving certificate of the settings' ``server.certificate`` block, where it comes from a Secret."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imagegate.adapters.files.pair_file import PrivateFile
from imagegate.adapters.kubernetes_api.certificate_objects import ClusterCertificateObjects
from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, Credentials, InvalidAccess
from imagegate.adapters.kubernetes_api.lease import Lease
from imagegate.adapters.records.process_notes import ProcessNotes
from imagegate.service.certificates.follower import NOTE, CertificateFollower
from imagegate.service.certificates.keeper import Keeper, SecretNames
from imagegate.service.certificates.pairs import issue, new_authority
from imagegate.service.certificates.plan import Wishes
from imagegate.settings.certificate import SELF, CertificateSettings
from imagegate.settings.load import Settings
from imagegate.settings.sections import ClusterSettings
from imagegate.wiring.certificate_names import namespace_of, wanted_names
from imagegate.wiring.kept_pair import FOLDER

LEASE, LEASE_S = "imagegate-certificates", 15.0
_FILE = "serving.pem"
_PLACEHOLDER = "the-secret-was-not-read-yet.invalid"
_PLACEHOLDER_DAYS = 1

_log = logging.getLogger(__name__)


def first_pair(shared: Path) -> Path:
    """The file with certificate and key from the Secret; until it is read, with a certificate that nobody trusts.

    With that one the kubelet, which verifies nothing, can ask whether the service lives and is ready.

    Args:
        shared: a folder of the processes of this service, in memory.

    Raises:
        OSError: it cannot be written.
    """
    path = shared / FOLDER / _FILE
    (path.parent / f"{NOTE}.json").unlink(missing_ok=True)  # of an earlier service in a folder that the operator names
    now, life = datetime.now(UTC), timedelta(days=_PLACEHOLDER_DAYS)
    pair = issue(new_authority("placeholder", now, life), (_PLACEHOLDER,), now, life)
    PrivateFile(path).put(pair.certificate_pem + b"\n" + pair.key_pem)
    return path


def follower(settings: Settings, shared: Path, *, clock: Callable[[], datetime]) -> CertificateFollower:
    """The thread that brings the certificate from its Secret to the processes of this service."""
    certificate, namespace = settings.server.certificate, namespace_of(settings)
    maintains = certificate.source == SELF
    connection = _connection(settings.cluster or ClusterSettings())
    objects = ClusterCertificateObjects(
        connection,
        namespace,
        certificate.webhook_configurations if maintains else (),
        certificate.api_services if maintains else (),
    )
    folder = shared / FOLDER
    replica = secrets.token_hex(8)  # not the pod's name: a container that is started again has forgotten its report
    return CertificateFollower(
        objects,
        certificate.secret,
        PrivateFile(folder / _FILE),
        ProcessNotes(folder),
        keeper=_keeper(certificate, objects, namespace, wanted_names(settings), clock) if maintains else None,
        replica=replica,
        leads=_leads(connection, namespace, replica, certificate.look_every_s),
        clock=clock,
        every_s=certificate.look_every_s,
    )


def _leads(connection: Callable[[], Connection], namespace: str, replica: str, every_s: float) -> Callable[[], bool]:
    """Whether this replica maintains the Secrets. Without the Lease each does: their versions keep that right."""
    duration_s = max(LEASE_S, 3 * every_s)
    identity = f"{socket.gethostname()}-{replica}"
    lease = Lease(connection, namespace, LEASE, identity, duration_s=duration_s, at_once=True)

    def leads() -> bool:
        try:
            return lease.hold()
        except (ApiError, InvalidAccess) as error:
            _log.debug("Lease %s/%s cannot be used: %s", namespace, LEASE, error)
            return True

    return leads


def _keeper(
    certificate: CertificateSettings,
    objects: ClusterCertificateObjects,
    namespace: str,
    names: tuple[str, ...],
    clock: Callable[[], datetime],
) -> Keeper:
    service = f"{certificate.service}.{namespace}.svc"
    wishes = Wishes(
        namespace=namespace,
        names=tuple(dict.fromkeys((*names, f"{service}.cluster.local"))),
        life=timedelta(days=certificate.days),
        ca_life=timedelta(days=certificate.ca_days),
        settle=timedelta(seconds=certificate.settle_s),
    )
    return Keeper(objects, SecretNames(certificate.secret, certificate.ca_secret), wishes, clock=clock)


def _connection(cluster: ClusterSettings) -> Callable[[], Connection]:
    """A connection for each process: sockets must not be shared over a fork. One that cannot be made is tried again."""
    credentials = Credentials(cluster.kubeconfig, cluster.context)
    made: dict[int, Connection] = {}
    making = threading.Lock()

    def connection() -> Connection:
        with making:
            return made.get(os.getpid()) or made.setdefault(os.getpid(), Connection(credentials))

    return connection
