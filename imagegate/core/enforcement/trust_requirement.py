"""The ``trust`` requirement of an entry: an image's digest by Docker Content Trust (Notary v1).

Source: docs/spec/enforcement.md 12.

``core.content_trust`` verifies trust data; this module finds the server and the signers' keys and words refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import Absent, Found, Impossible, Lookup, Unknown
from imagegate.core.content_trust.question import (
    AuthEndpointUnresolved,
    NoTrustCredentials,
    SignerSecret,
    TrustedDigest,
    TrustedImage,
    TrustRefused,
    UnusableSigner,
)
from imagegate.core.content_trust.repository import AnchorKind, RoleEvidence, RoleKey
from imagegate.core.enforcement.behaviour import Dialect
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.questions import InvalidSecret, Secret, SecretItem, secret_item
from imagegate.core.enforcement.requirement import ImageUnderPolicy, Refused, RequirementResult, Verified
from imagegate.core.enforcement.trust_servers import may_have_registry_tokens, trust_server
from imagegate.core.kube.go_quote import go_quote

NO_SERVER = "Trust Server/Image Configuration Error: no trust server could be found"
NOT_SUPPORTED = "Trust is not supported for images from this registry"
NAME, PUBLIC_KEY = "name", "publicKey"
"""Items of a signer's Secret."""
SHOWN_KEY_ID = 12
"""Hex digits of a key id that ``explain`` shows; the rest never decides for a reader."""


class _Unmet(Exception):  # never leaves this module
    """Evaluation ends here."""

    def __init__(self, outcome: Refused) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class TrustCheck:
    """Docker Content Trust."""

    kind = "trust"

    def applies(self, entry: Entry) -> bool:
        """See ``Check``."""
        return entry.trust.enabled

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:
        """See ``Check``. Secrets are looked up together, then the trusted digest."""
        server = trust_server(subject.entry, subject.image, subject.settings.trust_servers)
        if server is None:
            return Refused(DenialCode.TRUST, NOT_SUPPORTED if _is_documented(subject) else f"trust: {NO_SERVER}")
        if not server.startswith(("https://", "http://") if subject.settings.trust_allow_http else "https://"):
            return _error(subject, DenialCode.TRUST, f"imagegate: trust server {go_quote(server)} is not an HTTPS URL")
        names = subject.entry.trust.signer_secrets
        asked = [(name, reader(Secret(subject.namespace, name))) for name in names]
        pulls = subject.pulls.secrets(reader)
        if pulls is None or any(answer is None for _, answer in asked):
            return None
        try:
            signers = tuple(_signer(subject, name, answer) for name, answer in asked)
        except _Unmet as unmet:
            return unmet.outcome
        image = subject.image
        question = TrustedImage(
            server=server,
            registry=image.domain,
            repository=image.path,
            tag=image.tag if subject.pinned or image.digest else image.tag_or_latest,
            digest=f"sha256:{digest}" if (digest := subject.pinned or image.digest) else "",
            signers=signers,
            signer_key_must_sign=subject.settings.signer_key_must_sign,
            secrets=pulls,
            registry_tokens=may_have_registry_tokens(subject.entry, image, subject.settings.trust_servers),
        )
        answer = reader(question)
        if answer is None:
            return None
        if isinstance(answer, Found):
            return Verified(answer.value.signed.digest.removeprefix("sha256:"), _chain(server, answer.value))
        return _refused(subject, server, answer)


def _is_documented(subject: ImageUnderPolicy) -> bool:
    """True if texts are those of the original's documentation."""
    return subject.dialect is Dialect.CISE


def _signer(subject: ImageUnderPolicy, name: str, answer: Lookup[object] | None) -> SignerSecret:
    """The items of a signer's Secret.

    Raises:
        _Unmet: it cannot be read.
    """
    if not isinstance(answer, Found):
        assert answer is not None  # noqa: S101 - the caller waits for all
        refused = _no_signer(subject, answer.why)
        raise _Unmet(refused if isinstance(answer, (Absent, Impossible)) else subject.lacks(answer, refused.text))
    secret = answer.value if isinstance(answer.value, Mapping) else {}
    try:
        return _cached_signer(name, secret_item(secret, NAME), secret_item(secret, PUBLIC_KEY))
    except InvalidSecret as error:
        raise _Unmet(_no_signer(subject, str(error))) from error


@lru_cache(maxsize=1024)
def _cached_signer(secret: str, name: SecretItem | None, public_key: SecretItem | None) -> SignerSecret:
    items = [None if item is None else item.content for item in (name, public_key)]
    return SignerSecret(secret, *items)


def _no_signer(subject: ImageUnderPolicy, why: str) -> Refused:
    return _error(subject, DenialCode.TRUST, _denied(subject, f"could not get signerSecret from your cluster, {why}"))


def _denied(subject: ImageUnderPolicy, text: str) -> str:
    return f"Deny {go_quote(subject.written)}, {text}"


def _error(subject: ImageUnderPolicy, code: DenialCode, text: str, detail: tuple[tuple[str, str], ...] = ()) -> Refused:
    """The image could not be checked."""
    return Refused(code, text if _is_documented(subject) else f"trust: {text}", detail)


def _denial(
    subject: ImageUnderPolicy, code: DenialCode, text: str, detail: tuple[tuple[str, str], ...] = ()
) -> Refused:
    """The image was checked, and does not pass."""
    return _error(subject, code, text if _is_documented(subject) else f"policy denied the request: {text}", detail)


def _refused(subject: ImageUnderPolicy, server: str, answer: Absent | Impossible | Unknown) -> Refused:
    detail: tuple[tuple[str, str], ...] = (("server", server),)
    if isinstance(answer, UnusableSigner):
        return _no_signer(subject, answer.why)
    if isinstance(answer, AuthEndpointUnresolved):
        text = _denied(subject, f"could not resolve the auth-endpoint, {answer.why}")
        return _error(subject, DenialCode.LOOK_UP_FAILED, text, detail)
    if isinstance(answer, NoTrustCredentials):
        text = _denied(subject, f"no valid ImagePullSecret defined for {subject.written}")
        return _denial(subject, DenialCode.NO_PULL_SECRET, text, (*detail, ("last attempt", answer.why)))
    cause = f"failed to get content trust information: {answer.why}"
    text = f"Deny, {cause}" if _is_documented(subject) else _denied(subject, cause)
    if isinstance(answer, TrustRefused):
        detail = (*detail, ("file", answer.detail)) if answer.detail else detail
    elif isinstance(answer, Unknown):
        refused = _denial(subject, DenialCode.LOOK_UP_FAILED, text, detail)
        lacking = subject.lacks(answer, refused.text)
        return refused if lacking.code is refused.code else lacking
    return _denial(subject, DenialCode.TRUST, text, detail)


def _chain(server: str, trusted: TrustedDigest) -> tuple[tuple[str, str], ...]:
    """The chain that vouches for the digest: each file with its version, expiry and signatures, then each signer."""
    signed, anchor = trusted.signed, trusted.anchor
    began = f"{_ANCHORS[anchor.kind]} on {anchor.at:%Y-%m-%d}, root version {anchor.root_version}"
    lines = [("server", server), ("tag", signed.tag), ("released by", signed.released_by.name)]
    lines += [("trusted since", f"{began}, keys {', '.join(key_id[:SHOWN_KEY_ID] for key_id in anchor.key_ids)}")]
    lines += [(role.name, _role(role)) for role in signed.chain]
    lines += [
        (f"signer {each.signer.name}", f"Secret {each.signer.secret}, key {_key(each.key)} of {each.role.name}")
        for each in signed.signers
    ]
    lines.append(("verified at", f"{trusted.verified_at:%Y-%m-%dT%H:%M:%SZ}"))
    if trusted.timestamp_stored:
        lines.append(("timestamp from", "memory: the server had none to give, and the last one is still valid"))
    return tuple(lines)


_ANCHORS = {
    AnchorKind.FIRST_USE: "first use",
    AnchorKind.PINNED_CERTIFICATE: "a pinned certificate",
    AnchorKind.PINNED_CA: "a pinned CA",
}


def _role(role: RoleEvidence) -> str:
    keys = ", ".join(_key(key) for key in role.signed_by)
    needed = f"{role.threshold} of {len(role.keys)} {'key' if len(role.keys) == 1 else 'keys'} needed"
    return f"version {role.version}, expires {role.expires:%Y-%m-%dT%H:%M:%SZ}, signed by {keys} ({needed})"


def _key(key: RoleKey) -> str:
    subject = f" ({key.subject})" if key.subject else ""
    return f"{key.canonical_id[:SHOWN_KEY_ID]}{subject}"
