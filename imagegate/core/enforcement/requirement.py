"""The contract of every requirement: the image under its entry, the result, and the check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import DeadlineExceeded, Found
from imagegate.core.enforcement.behaviour import CiseSettings, Dialect
from imagegate.core.enforcement.image import CiseImage
from imagegate.core.enforcement.policy import Entry, PolicyGroup
from imagegate.core.enforcement.questions import Secret, ServiceAccount, pull_secret
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.registry.pull_secrets import InvalidPullSecret, PullSecret

DEFAULT_SERVICE_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class Verified:
    """The requirement holds. ``digest`` was verified (64 hex digits), empty where the requirement verifies none."""

    digest: str = ""
    detail: tuple[tuple[str, str], ...] = ()
    """Facts about the evidence, for the trace: names and values."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The requirement does not hold, or a look-up for it failed."""

    code: DenialCode
    text: str
    detail: tuple[tuple[str, str], ...] = ()
    """As for ``Verified``."""


RequirementResult: TypeAlias = Verified | Refused


@dataclass(frozen=True, slots=True)
class PullSource:
    """The source of one workload's pull credentials (docs/spec/enforcement.md 10.4)."""

    namespace: str
    spec: Mapping[str, Any]
    is_pod: bool
    """The API server has copied the service account's secrets into a Pod already."""
    node_secrets: tuple[PullSecret, ...] = ()
    """Credentials of the nodes, the same for all workloads: tried last."""

    @property
    def cache_key(self) -> tuple[object, ...]:
        """The part of a cache key for which ``secrets`` gives the same result."""
        names = _reference_names(self.spec.get("imagePullSecrets"))
        return self.namespace, names, "" if names or self.is_pod else self._service_account

    @property
    def _service_account(self) -> str:
        account = self.spec.get("serviceAccountName") or self.spec.get("serviceAccount")
        return account if isinstance(account, str) and account else DEFAULT_SERVICE_ACCOUNT

    def secrets(self, reader: AnswerReader) -> tuple[PullSecret, ...] | None:
        """The pull secrets that can be read, in order, then those of the nodes; None while they are awaited.

        A secret that is missing or holds no credentials is left out; it never denies by itself.
        """
        names = _reference_names(self.spec.get("imagePullSecrets"))
        if not names and not self.is_pod:
            answer = reader(ServiceAccount(self.namespace, self._service_account))
            if answer is None:
                return None
            names = _reference_names(answer.value.get("imagePullSecrets")) if isinstance(answer, Found) else ()
        answers = [(name, reader(Secret(self.namespace, name))) for name in names]
        found: list[PullSecret] = []
        for name, answer in answers:
            if answer is None:
                return None
            if isinstance(answer, Found):
                try:
                    found.append(pull_secret(answer.value, name))
                except InvalidPullSecret:
                    continue
        return (*found, *self.node_secrets)


def _reference_names(references: object) -> tuple[str, ...]:
    """Names of a list of local object references."""
    if not isinstance(references, list):
        return ()
    names = (reference.get("name") for reference in references if isinstance(reference, Mapping))
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))


@dataclass(frozen=True, slots=True)
class ImageUnderPolicy:
    """One image under the entry that decides it."""

    namespace: str
    written: str
    """As in the object; named in every message."""
    image: CiseImage
    """The original image of a rewrite that a record proves; else the same as ``written``."""
    pinned: str
    """64 hex digits of the only digest that may run; empty where a tag decides."""
    entry: Entry
    pulls: PullSource
    settings: CiseSettings
    verified: str = ""
    """64 hex digits that an earlier requirement of the entry verified, or empty."""

    @property
    def dialect(self) -> Dialect:
        """The dialect of messages: ``PORTIERIS`` or ``CISE``."""
        if self.settings.messages is not Dialect.AUTO:
            return self.settings.messages
        return Dialect.CISE if self.entry.source.group is PolicyGroup.CISE else Dialect.PORTIERIS

    def out_of_time(self) -> Refused:
        """The refusal after the deadline."""
        return Refused(DenialCode.DEADLINE, f"imagegate: deadline exceeded while checking {go_quote(self.written)}")

    def lacks(self, answer: object, text: str) -> Refused:
        """The refusal with ``text``, or a deadline refusal if time ran out."""
        return self.out_of_time() if isinstance(answer, DeadlineExceeded) else Refused(DenialCode.LOOK_UP_FAILED, text)


class Check(Protocol):
    """One kind of requirement. Pure; shared by all threads."""

    @property
    def kind(self) -> str:
        """``simple``, ``trust`` or ``vulnerability``."""

    def applies(self, entry: Entry) -> bool:
        """True if the entry has this requirement."""

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:
        """The result; None while answers are awaited, which ``reader.missing`` lists."""
