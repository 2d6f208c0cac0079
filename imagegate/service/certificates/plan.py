"""Rules of the CA and its serving certificates: when the next one is made, and which CAs clients trust.

A rotation of the CA has four steps, each of which a crash may repeat. A new CA is stored beside the certificate of the
old one. Every ``caBundle`` gets both. Once they have been in place for a while, so that every API server has seen them,
the new CA issues the serving certificate. Once all replicas have said that they use it, the old CA is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from imagegate.ports.certificates import StoredSecret
from imagegate.service.certificates.pairs import (
    CLOCKS_DIFFER,
    Pair,
    is_authority,
    is_issued_by,
    issue,
    new_authority,
    pem,
    read_pair,
)
from imagegate.service.certificates.served import InvalidCertificate, read_certificates

CERTIFICATE, KEY, BUNDLE, PREVIOUS = "tls.crt", "tls.key", "ca.crt", "previous.crt"
"""Entries of the Secrets; ``PREVIOUS`` holds the CAs of before, which clients still trust."""
ROTATE = "imagegate.dev/rotate"
"""Annotation with which an operator asks for a new CA, or a new serving certificate; its value means nothing."""
TRUSTED_SINCE = "imagegate.dev/trusted-since"
"""Annotation of the CA's Secret: since when all clients have trusted it."""
USED_BY = "serving.imagegate.dev/"
"""Annotations of the serving certificate's Secret, one a replica: the certificate that it uses, and when it said so."""
REPORT_EVERY = timedelta(minutes=10)
GONE_AFTER = timedelta(hours=1)
"""A replica that has said nothing for so long has ended."""
_RENEWED_AFTER = 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The operator's choices."""

    namespace: str
    names: tuple[str, ...]
    """DNS names and addresses of serving certificates."""
    life: timedelta = timedelta(days=90)
    ca_life: timedelta = timedelta(days=1825)
    settle: timedelta = timedelta(seconds=30)
    """From the last change of a ``caBundle`` until every API server has seen it."""


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The CA."""

    pair: Pair
    previous: tuple[x509.Certificate, ...] = ()
    """CAs of before, as long as a replica may use a certificate of theirs."""
    trusted_since: datetime | None = None
    """None: not all clients trust it yet."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Others of its Secret."""

    @property
    def bundle(self) -> bytes:
        """The CAs that clients trust, as PEM."""
        return b"".join(pem(each) for each in (self.pair.certificate, *self.previous))

    def is_settled(self, settle: timedelta, now: datetime) -> bool:
        """True if every API server trusts it."""
        return self.trusted_since is not None and now - self.trusted_since >= settle

    def stored(self, version: str) -> StoredSecret:
        """As its Secret."""
        data = {CERTIFICATE: self.pair.certificate_pem, KEY: self.pair.key_pem}
        if self.previous:
            data[PREVIOUS] = b"".join(pem(each) for each in self.previous)
        trusted = {} if self.trusted_since is None else {TRUSTED_SINCE: self.trusted_since.isoformat()}
        return StoredSecret(data, {**self.annotations, **trusted}, version)


def next_authority(
    stored: StoredSecret | None, serving: StoredSecret | None, wishes: Wishes, now: datetime
) -> tuple[CertificateAuthority, str]:
    """The CA from now on, and why it is not the stored one; empty if it is.

    A CA that cannot be used is replaced: the Secret is imagegate's own, and to refuse would deny everything once the
    serving certificate ends. A CA that issued the certificate in use stays trusted meanwhile.
    """
    leaf = _leaf(serving)
    if stored is None:
        return _made(wishes, now, _issuers(leaf, serving)), "there is none"
    try:
        authority = _authority(stored)
    except InvalidCertificate as error:
        return _made(wishes, now, _issuers(leaf, stored, serving)), f"that in the Secret cannot be used: {error}"
    if problem := authority.pair.served.untimely(now):
        return _made(wishes, now, ()), problem.replace("serving certificate", "CA")
    if not authority.previous:
        due = _due(authority.pair, now, stored)
        return (_made(wishes, now, (authority.pair.certificate,)), due) if due else (authority, "")
    kept = tuple(each for each in authority.previous if now < each.not_valid_after_utc)
    if leaf is not None and serving is not None and _is_everywhere(leaf, authority, serving, wishes, now):
        kept = ()
    if kept == authority.previous:
        return authority, ""
    return replace(authority, previous=kept), "no certificate of the CA before it is in use"


def next_serving(
    stored: StoredSecret | None, authority: CertificateAuthority, wishes: Wishes, now: datetime
) -> tuple[Pair | None, str]:
    """A new serving certificate and why; None if the stored one stays."""
    why, can_wait = _why_new(stored, authority, wishes, now)
    if not why or (can_wait and not authority.is_settled(wishes.settle, now)):
        return None, ""
    return issue(authority.pair, wishes.names, now, wishes.life), why


def report(fingerprint: str, now: datetime) -> str:
    """Report of a replica about the certificate that it uses."""
    return f"{fingerprint} {now.isoformat(timespec='seconds')}"


def fresh_reports(annotations: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The reports of replicas that live."""
    found = {key: value for key, value in annotations.items() if key.startswith(USED_BY)}
    return {key: value for key, value in found.items() if now - _said_at(value) < GONE_AFTER}


def kept_annotations(annotations: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Annotations of the serving certificate's Secret that the next version keeps."""
    fresh = fresh_reports(annotations, now)
    others = {key: value for key, value in annotations.items() if not key.startswith(USED_BY) and key != ROTATE}
    return {**others, **fresh}


def _why_new(
    stored: StoredSecret | None, authority: CertificateAuthority, wishes: Wishes, now: datetime
) -> tuple[str, bool]:
    """Why a new certificate is needed, and whether the stored one serves until clients trust the CA."""
    if stored is None:
        return "there is none", False
    try:
        pair = read_pair(stored.data.get(CERTIFICATE, b""), stored.data.get(KEY, b""))
    except InvalidCertificate as error:
        return f"that in the Secret cannot be used: {error}", False
    if problem := pair.served.untimely(now):
        return problem, False
    if missing := pair.served.lacks(wishes.names):
        return f"it is not good for {', '.join(missing)}", False
    if not is_issued_by(pair.certificate, authority.pair.certificate):
        is_trusted = any(is_issued_by(pair.certificate, each) for each in authority.previous)
        return "the CA that issued it is not the newest" if is_trusted else "its CA is not trusted", is_trusted
    return _due(pair, now, stored), False


def _is_everywhere(
    leaf: x509.Certificate, authority: CertificateAuthority, serving: StoredSecret, wishes: Wishes, now: datetime
) -> bool:
    """True if all replicas use ``leaf``, and the newest CA issued it some time ago."""
    if not is_issued_by(leaf, authority.pair.certificate):
        return False
    made = leaf.not_valid_before_utc + CLOCKS_DIFFER
    reports = fresh_reports(serving.annotations, now).values()
    fingerprint = Pair(leaf, authority.pair.key).served.fingerprint
    return now - made >= wishes.settle and all(value.split(" ")[0] == fingerprint for value in reports)


def _due(pair: Pair, now: datetime, stored: StoredSecret) -> str:
    served = pair.served
    if ROTATE in stored.annotations:
        return f"the annotation {ROTATE} asks for a new one"
    age = (now - served.not_before) / (served.not_after - served.not_before)
    return "two thirds of its life are over" if age >= _RENEWED_AFTER else ""


def _authority(stored: StoredSecret) -> CertificateAuthority:
    pair = read_pair(stored.data.get(CERTIFICATE, b""), stored.data.get(KEY, b""))
    if not is_authority(pair.certificate):
        raise InvalidCertificate("it is not the certificate of a CA")
    previous = _readable(stored.data.get(PREVIOUS, b""))
    others = dict(stored.annotations)
    since = _time(others.pop(TRUSTED_SINCE, ""))
    return CertificateAuthority(pair, tuple(each for each in previous if is_authority(each)), since, others)


def _made(wishes: Wishes, now: datetime, previous: tuple[x509.Certificate, ...]) -> CertificateAuthority:
    return CertificateAuthority(new_authority(wishes.namespace, now, wishes.ca_life), previous)


def _issuers(leaf: x509.Certificate | None, *secrets: StoredSecret | None) -> tuple[x509.Certificate, ...]:
    """The CAs in the Secrets that issued the certificate in use; whatever else is there is not trusted."""
    if leaf is None:
        return ()
    contents = (each.data.get(entry, b"") for each in secrets if each for entry in (CERTIFICATE, PREVIOUS, BUNDLE))
    found = (certificate for content in contents for certificate in _readable(content))
    return tuple(dict.fromkeys(each for each in found if is_authority(each) and is_issued_by(leaf, each)))


def _leaf(serving: StoredSecret | None) -> x509.Certificate | None:
    found = _readable(serving.data.get(CERTIFICATE, b"")) if serving is not None else ()
    return next(iter(found), None)


def _readable(content: bytes) -> Iterable[x509.Certificate]:
    try:
        return read_certificates(content)
    except InvalidCertificate:
        return ()


def _said_at(value: str) -> datetime:
    return _time(value.rpartition(" ")[2]) or datetime.fromtimestamp(0, UTC)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
