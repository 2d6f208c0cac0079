"""A guard over image enforcement with policies as YAML, and reviews of policy objects."""

from __future__ import annotations

import itertools
from typing import Any

import yaml

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.running_images import RunningImages
from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.core.enforcement.selection import PolicySet
from imagegate.core.image_streams.questions import Namespace
from imagegate.documents.image_policies import read_policies
from imagegate.service.guard.guarded import Guarded
from imagegate.service.guard.policy_guard import PolicyGuard
from imagegate.service.policies.policy_set import ConfiguredPlugin
from tests.support.enforcement_setup import NOW

OWN, PROXY = "registry.example.com/imagegate:1", "registry.k8s.io/kube-proxy:v1"
RUNNING = {"kube-system": (PROXY,), "imagegate": (OWN,)}
_uids = itertools.count(1)


def enforcing(text: str) -> ConfiguredPlugin:
    """Image enforcement by these policies."""
    settings = CiseSettings()
    policies = read_policies(text, "p.yaml").policies if text else []
    return ConfiguredPlugin(CisePlugin(PolicySet(policies, settings.groups), settings))


def guard(text: str = "", *, refuses: bool = True, plugins: tuple[ConfiguredPlugin, ...] | None = None) -> PolicyGuard:
    """A guard beside these policies in force."""
    guarded = Guarded(own_namespace="imagegate", own_images=(OWN,), others=("kube-system",), lists_pods=True)
    return PolicyGuard(guarded, (enforcing(text),) if plugins is None else plugins, refuses=refuses)


def request(operation: str, text: str, *, old: str = "", user: str = "admin") -> AdmissionRequest:
    """The review of one policy; ``text``: the object, of a deletion the old one."""
    document = yaml.safe_load(text)
    group, _, version = document["apiVersion"].partition("/")
    kind = document["kind"]
    plural = {"ClusterImagePolicy": "clusterimagepolicies", "ImagePolicy": "imagepolicies"}[kind]
    before = yaml.safe_load(old) if old else None
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(next(_uids)),
            "operation": operation,
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": plural},
            "namespace": document["metadata"].get("namespace", ""),
            "name": document["metadata"]["name"],
            "object": None if operation == "DELETE" else document,
            "oldObject": document if operation == "DELETE" else before,
            "userInfo": {"username": user},
        },
    }
    return AdmissionRequest.parse(review, Phase.VALIDATE)


def decided(plugin: PolicyGuard, asked: AdmissionRequest, **answers: Lookup[Any]) -> Decision:
    """The decision; ``answers``: about the pods of a namespace, its name with ``_`` for ``-``."""
    assert plugin.covers(asked)
    known = KnownAnswers()
    for question in plugin.questions(asked, known):
        known[question] = _answer(question, answers)
    return plugin.decide(asked, known, now=NOW)


def _answer(question: Question, answers: dict[str, Lookup[Any]]) -> Lookup[Any]:
    match question:
        case RunningImages(namespace):
            return answers.get(namespace.replace("-", "_"), Found(RUNNING[namespace]))
        case Namespace(name):
            return Found({"metadata": {"name": name}})
    raise TypeError(f"the guard asked {question}")
