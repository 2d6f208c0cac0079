"""Maintains the CA, the serving certificate, and the trust of the API server in them.

Any number of replicas may do this at once: all that they decide on is in the two Secrets, and each write names the
version that was read. So a replica that was overtaken reads again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from imagegate.ports.certificates import CertificateObjects, ObjectsUnavailable, Overtaken, StoredSecret, TrustingObject
from imagegate.service.certificates.plan import (
    BUNDLE,
    CERTIFICATE,
    KEY,
    CertificateAuthority,
    Wishes,
    kept_annotations,
    next_authority,
    next_serving,
)

FOREIGN = "cert-manager.io/certificate-name"
"""Annotation of Secrets that cert-manager writes."""
INJECTED = ("cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret")
"""Annotations of objects whose ``caBundle`` cert-manager writes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SecretNames:
    """Names of the two Secrets."""

    serving: str
    authority: str


class Keeper:
    """See the module."""

    def __init__(
        self, objects: CertificateObjects, secrets: SecretNames, wishes: Wishes, *, clock: Callable[[], datetime]
    ) -> None:
        self._objects = objects
        self._secrets = secrets
        self._wishes = wishes
        self._clock = clock

    def look(self) -> tuple[StoredSecret, str]:
        """Look at everything once, and write what is due.

        Returns:
            The serving certificate's Secret, and what could not be done; empty if there was nothing.

        Raises:
            ObjectsUnavailable: a Secret cannot be read or written.
        """
        names = self._secrets
        stored, serving = self._objects.secret(names.authority), self._objects.secret(names.serving)
        for name, secret in ((names.authority, stored), (names.serving, serving)):
            if secret is not None and FOREIGN in secret.annotations:
                raise ObjectsUnavailable(
                    f"Secret {name} belongs to cert-manager (annotation {FOREIGN}), which would replace what imagegate "
                    "writes: set server.certificate.source to secret or files, or name other Secrets"
                )
        authority, version = self._authority(stored, serving)
        problem = self._maintain_trust(authority)
        if not problem and authority.trusted_since is None:
            authority = replace(authority, trusted_since=self._clock())
            self._objects.put_secret(names.authority, authority.stored(version))
        return self._serving(serving, authority), problem

    def _authority(self, stored: StoredSecret | None, serving: StoredSecret | None) -> tuple[CertificateAuthority, str]:
        """The CA, and the version of its Secret."""
        authority, why = next_authority(stored, serving, self._wishes, self._clock())
        version = "" if stored is None else stored.version
        if not why:
            return authority, version
        written = self._objects.put_secret(self._secrets.authority, authority.stored(version))
        _log.warning(
            "CA of serving certificates written: %s",
            why,
            extra={"secret": self._secrets.authority, "trusted": len(authority.previous) + 1},
        )
        return authority, written.version

    def _serving(self, stored: StoredSecret | None, authority: CertificateAuthority) -> StoredSecret:
        now = self._clock()
        pair, why = next_serving(stored, authority, self._wishes, now)
        if pair is None and stored is not None and stored.data.get(BUNDLE) == authority.bundle:
            return stored
        if pair is not None:
            data = {CERTIFICATE: pair.certificate_pem, KEY: pair.key_pem}
        else:
            why = "the trusted CAs have changed"
            data = {entry: stored.data.get(entry, b"") for entry in (CERTIFICATE, KEY)} if stored is not None else {}
        data[BUNDLE] = authority.bundle
        annotations = {} if stored is None else kept_annotations(stored.annotations, now)
        version = "" if stored is None else stored.version
        written = self._objects.put_secret(self._secrets.serving, StoredSecret(data, annotations, version))
        _log.warning("serving certificate written: %s", why, extra={"secret": self._secrets.serving})
        return written

    def _maintain_trust(self, authority: CertificateAuthority) -> str:
        """Put the bundle into every object that names this service; what could not be done."""
        try:
            found = self._objects.trusting()
        except ObjectsUnavailable as error:
            return str(error)
        problems = (self._trust(each, authority.bundle) for each in found)
        return "; ".join(problem for problem in problems if problem)

    def _trust(self, trusting: TrustingObject, bundle: bytes) -> str:
        own = [each for each in trusting.trusts if each.host in self._wishes.names]
        differing = tuple(each.pointer for each in own if each.bundle != bundle)
        if not differing:
            return ""
        if injected := next((name for name in INJECTED if name in trusting.annotations), ""):
            return f"{trusting.name}: its caBundle belongs to cert-manager: remove the annotation {injected}"
        try:
            self._objects.set_bundle(trusting, differing, bundle)
        except Overtaken:
            raise
        except ObjectsUnavailable as error:
            return str(error)
        _log.warning("caBundle written, it was another one", extra={"object": trusting.name, "places": len(differing)})
        return ""
