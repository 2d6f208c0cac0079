"""The values of a suite of policy tests (``kind: PolicyTest``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

API_VERSION = "imagegate.dev/v1alpha1"
KIND = "PolicyTest"
VERDICTS = ("allowed", "rewritten", "denied", "unknown", "not covered")
"""The words of ``imagegate check``."""
OPERATIONS = ("CREATE", "UPDATE", "DELETE")
REVIEW = "AdmissionReview"
"""Kind of a document that is a whole request."""


class Place(NamedTuple):
    """A place in a suite, for messages."""

    file: str
    line: int
    path: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyUnderTest:
    """Files and folders of the policy, relative to the suite; as the options of ``imagegate check``."""

    settings: str = ""
    config: str = ""
    policies: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFixture:
    """A simple signature that an image has: a claim without a blob, or the blob itself."""

    place: Place
    key: str = ""
    """File of the public key, or of a Secret that holds it: the signature is taken as made by it."""
    identity: str = ""
    """The ``docker-reference`` that it vouches for; empty: the image."""
    file: str = ""
    """The signature itself, which is verified as one from a store."""
    folder: str = ""
    """A lookaside store: ``REPOSITORY@sha256=HEX/signature-1`` and so on, which are verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFixture:
    """Trust data (Notary v1) that vouches for an image's digest."""

    place: Place
    signers: tuple[str, ...] = ()
    """Names of the signers that have signed, as their Secrets have them."""
    folder: str = ""
    """The repository's files as a server has them (``root.json``, ``targets/alice.json``), which are verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFixture:
    """A known vulnerability of an image."""

    id: str
    severity: str
    package: str = ""
    fixed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFixture:
    """The answers of registries, signature stores, trust servers and scanners about one image."""

    place: Place
    image: str
    digest: str = ""
    """Empty: that of the lock file, unless the image is absent or unavailable."""
    absent: bool = False
    unavailable: str = ""
    """Why the registry cannot be asked."""
    signatures: tuple[SignatureFixture, ...] = ()
    trust: TrustFixture | None = None
    """None: no trust data."""
    advisor: str = ""
    """Status of Vulnerability Advisor; empty: it does not answer."""
    vulnerabilities: tuple[FindingFixture, ...] | None = None
    """Findings of a scanner; None: there is no report."""
    reports: tuple[str, ...] = ()
    """Files of scanners' reports, which are read and judged as those of a folder."""


class WrittenObject(NamedTuple):
    """A Kubernetes object in a suite."""

    place: Place
    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDenial:
    """A denial that must come. Empty fields are not compared."""

    place: Place
    image: str = ""
    plugin: str = ""
    code: str = ""
    rule: str = ""
    at: str = ""
    mode: str = "enforce"
    text: str = ""
    contains: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRewrite:
    """A change of the object that must come."""

    place: Place
    at: str
    """JSON Pointer."""
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedWarning:
    """A warning that must come: exactly ``text``, or one that contains a string."""

    place: Place
    text: str = ""
    contains: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The expected result. None: not compared."""

    place: Place
    verdict: str
    denials: tuple[ExpectedDenial, ...] | None = None
    rewrites: tuple[ExpectedRewrite, ...] | None = None
    warnings: tuple[ExpectedWarning, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The stored objects that an update changes: one of three ways to name them."""

    place: Place
    file: str = ""
    """Relative to the suite; holds an object of the same kind and name for each that is judged."""
    object: WrittenObject | None = None
    image: str = ""
    """Image of the Pod before; the Pod after has ``Case.image``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test: an object, objects of a file, or a Pod of one image, and the expected result."""

    name: str
    place: Place
    source: Place
    """Of the field that says what is judged."""
    file: str = ""
    """Relative to the suite; every object in it that ``kind`` and ``object_name`` select."""
    kind: str = ""
    object_name: str = ""
    object: WrittenObject | None = None
    image: str = ""
    operation: str = "CREATE"
    """One of ``OPERATIONS``; with DELETE, the object is the one that is deleted."""
    before: Before | None = None
    """None unless the operation is UPDATE."""
    sub_resource: str = ""
    namespace: str = "default"
    user: str = ""
    groups: tuple[str, ...] = ()
    of_request: tuple[str, ...] = ()
    """Fields of the case that say something an AdmissionReview says itself."""
    expect: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One suite."""

    file: str
    name: str
    policy: PolicyUnderTest
    objects: tuple[WrittenObject, ...]
    """Namespaces, image streams, images, Secrets and owners that the cluster of the test has."""
    registry: tuple[ImageFixture, ...]
    now: datetime | None
    """The time of all decisions and verifications; None: when the suite runs."""
    cases: tuple[Case, ...]
