"""Denials that no object alone brings about: servers, broken policies, missing plug-ins and faults, made to happen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from imagegate.core.admission.decision import Decision, Denial
from imagegate.core.admission.lookup import DeadlineExceeded, Found, Unknown
from imagegate.core.admission.plugin import Answers, KnownAnswers, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.content_trust.fetches import run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.question import TrustedDigest
from imagegate.core.content_trust.signed_digest import signed_digest
from imagegate.core.content_trust.update import update
from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.core.enforcement.policy import IMAGE_POLICY, PolicyGroup
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.enforcement.selection import PolicySet
from imagegate.documents.stored_policies import read_stored_policy
from tests.service.plugins import NOW, Told, reviewer
from tests.service.plugins import request as any_request
from tests.support.enforcement_setup import (
    KEY,
    OTHER_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    pod,
    policy,
    request,
)
from tests.support.trust_samples import FAR_EXPIRY, SAMPLES_NOW

_SETTINGS = replace(CiseSettings.for_profile(Profile.PORTIERIS), names_nearest_rule=True)
_IMAGE = pod(SIGNED_IMAGE)


def denials() -> Iterator[Denial]:
    """At least one of each code that ``messages/suites.yaml`` cannot bring about."""
    decisions = (
        _broken_policy(),
        _private_image(),
        _two_digests(),
        _slow_registry(),
        _other_pull_policy(),
        *(each.decision for each in reviewer().decide(any_request(), plugins={"cise"}).verdicts),
        _fault(),
    )
    for decision in decisions:
        yield from decision.denials


def _broken_policy() -> Decision:
    """An object that the cluster stored before its kind had a schema."""
    entry = {"name": "127.0.0.1:5000/*", "policy": {"trust": {"enabled": "true"}}}
    stored = {"metadata": {"name": "signed", "namespace": "default"}, "spec": {"repositories": [entry]}}
    broken = read_stored_policy(stored, PolicyGroup.PORTIERIS, IMAGE_POLICY).policy
    plugin = CisePlugin(PolicySet([broken], _SETTINGS.groups), _SETTINGS, KEY)
    return plugin.decide(request(_IMAGE), KnownAnswers(), now=NOW)


def _private_image() -> Decision:
    """The registry answers 401, and the Pod has no pull secret."""
    entry = '{name: "private.example.com/*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}'
    return CiseSetup(policy(entry), _SETTINGS).decide(request(pod("private.example.com/app:1")))


def _two_digests() -> Decision:
    """Trust data of one digest, a simple signature of another."""
    trust = 'policy: {trust: {enabled: true, trustServer: "https://notary.example.com"}, '
    documents = policy(SIGNED_ENTRY.replace("policy: {", trust)) + key_secret("signer1")
    repository = run(update(FAR_EXPIRY.gun, None, Pinning(), SAMPLES_NOW), FAR_EXPIRY.fetch()).repository
    assert repository is not None
    other = replace(signed_digest(repository, "v1"), digest=OTHER_DIGEST)
    trusted = TrustedDigest(other, repository.anchor, timestamp_stored=False, verified_at=repository.verified_at)
    setup = CiseSetup(documents, _SETTINGS, trusted={SIGNED_IMAGE.removesuffix(":v1"): Found(trusted)})
    return setup.decide(request(_IMAGE))


def _slow_registry() -> Decision:
    documents = policy(SIGNED_ENTRY) + key_secret("signer1")
    slow: dict[type[Question], Unknown] = {ManifestDigest: DeadlineExceeded("no answer within 8 s")}
    return CiseSetup(documents, _SETTINGS, failing=slow).decide(request(_IMAGE))


def _other_pull_policy() -> Decision:
    """The validating webhook is asked, and the mutating one, which would have set the field, was not."""
    plugin = AlwaysPullPlugin(advises=True)
    return plugin.decide(request(_IMAGE, phase=Phase.VALIDATE), KnownAnswers(), now=NOW)


def _fault() -> Decision:
    """A plug-in raises. The traceback is for a service's log, not for whoever makes the page."""
    logging.disable()
    try:
        (verdict,) = reviewer(Told("image-policy", _fail)).decide(any_request()).verdicts
    finally:
        logging.disable(logging.NOTSET)
    return verdict.decision


def _fail(_request: AdmissionRequest, _answers: Answers) -> Decision:
    raise RuntimeError("a fault of imagegate")
