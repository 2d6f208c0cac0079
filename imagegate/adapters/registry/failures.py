"""Failures at a registry, in the kinds and texts of docs/spec/import-gate.md 6.1."""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import urlsplit

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.registry.auth import CredentialRefused, RealmRefused
from imagegate.adapters.registry.endpoints import RegistryFailure, challenges_of
from imagegate.errors import EvidenceError, Malformed, Refused, TooLarge, Unreachable
from imagegate.ports.registry import RegistryErrorKind


class NotFound(EvidenceError):
    """The registry answers that there is no such content."""


def error_kind_of(error: EvidenceError, *, has_credential: bool = False) -> RegistryErrorKind:
    """The kind of an error; ``has_credential``: one was to be sent."""
    if isinstance(error, RegistryFailure):
        return error.error_kind
    if isinstance(error, CredentialRefused):
        return RegistryErrorKind.BAD_CREDENTIALS if has_credential else RegistryErrorKind.NO_CREDENTIALS
    kinds: tuple[tuple[type[EvidenceError], RegistryErrorKind], ...] = (
        (RealmRefused, RegistryErrorKind.REALM),
        (Refused, RegistryErrorKind.BLOCKED),
        (TooLarge, RegistryErrorKind.TOO_LARGE),
        (Malformed, RegistryErrorKind.MALFORMED),
        (NotFound, RegistryErrorKind.MALFORMED),
    )
    return next((error_kind for kind, error_kind in kinds if isinstance(error, kind)), RegistryErrorKind.UNREACHABLE)


def is_retryable(error: EvidenceError) -> bool:
    """True if the same question may have an answer later."""
    return error.retryable if isinstance(error, RegistryFailure) else isinstance(error, Unreachable)


def raise_status(answer: HttpAnswer, shown: str, *, sent: bool) -> NoReturn:
    """Raise for an answer that is not a success.

    Args:
        shown: the reference for messages.
        sent: a credential was sent.

    Raises:
        NotFound: 404.
        RegistryFailure: anything else.
    """
    if answer.status == 404:
        raise NotFound(f'dockerimage.image.openshift.io "{shown}" not found')
    if answer.status in {401, 403}:
        wrong = answer.status == 401 and sent and not _insufficient_scope(answer)
        error_kind = RegistryErrorKind.UNAUTHORIZED if sent else RegistryErrorKind.NO_CREDENTIALS
        text = unauthorized_text(shown, sent=sent, wrong=wrong)
        in_go = f'Get "{answer.url.partition("?")[0]}": {_in_go(answer, sent=sent)}'
        raise RegistryFailure(RegistryErrorKind.BAD_CREDENTIALS if wrong else error_kind, text, in_go=in_go)
    retryable = answer.status >= 500 or answer.status == 429
    said = answer.sentence
    why = f"{shown}: {urlsplit(answer.url).netloc} answered status {answer.status}{said and f': {said}'}"
    raise RegistryFailure(RegistryErrorKind.UNREACHABLE, why, retryable=retryable)


def _in_go(answer: HttpAnswer, *, sent: bool) -> str:
    """Go's words for a 401 or 403: its client sends nothing where basic authentication has nothing to send."""
    is_basic = any(challenge.scheme == "basic" for challenge in challenges_of(answer))
    return "no basic auth credentials" if is_basic and not sent else "unauthorized: authentication required"


def unauthorized_text(shown: str, *, sent: bool, wrong: bool) -> str:
    """The text for a 401 or 403; ``wrong``: the credential itself is refused."""
    if sent and wrong:
        return f'incorrect username or password for image "{shown}"'
    text = f'you may not have access to the container image "{shown}"'
    return text if sent else f"{text} and did not have credentials to the repository"


def _insufficient_scope(answer: HttpAnswer) -> bool:
    """True if the registry accepted the token and refuses its scope; a wrong password is a different error."""
    return any(challenge.scheme == "bearer" for challenge in challenges_of(answer))
