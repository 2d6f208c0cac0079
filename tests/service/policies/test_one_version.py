"""A review is decided by the policies and the documents of one version, whatever is put in force meanwhile."""

from __future__ import annotations

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.plugin import Answers
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Answerer, LookUp
from imagegate.service.review.reviewer import Reviewer
from tests.service.plugins import NOW, Digest, Told, asker, denying, request

BY_STAGE = Modes(Mode.ENFORCE, ((LabelSelector.of({"stage": "test"}), Mode.WARN),))


def version(name: str, *plugins: ConfiguredPlugin) -> PolicySet:
    """Policies whose documents answer everything with their version."""
    found = Found(name)
    labels = Found({"metadata": {"labels": {"stage": "test" if name == "two" else "production"}}})
    return PolicySet(
        plugins,
        version=name,
        memory={
            Digest: Answerer(asker(lambda _question: found), immediate=True),
            Namespace: Answerer(asker(lambda _question: labels), immediate=True),
        },
        snapshot=lambda: name,
    )


def test_answers_and_modes_are_those_of_the_version_that_decides() -> None:
    seen: list[object] = []
    holder = PolicyHolder(lambda: version("none"), lambda: NOW)

    def decide(_request: AdmissionRequest, answers: Answers) -> Decision:
        seen.append(answers.get(Digest("first")))
        holder.put(version("two"))
        seen.append(answers.get(Digest("second")))
        return Decision(plugin="image-policy")

    plugins = (ConfiguredPlugin(Told("image-policy", decide)), ConfiguredPlugin(denying("cise", "no"), BY_STAGE))
    holder.put(version("one", *plugins))
    latest = Answerer(asker(lambda _question: Found("latest")), immediate=True)
    reviewer = Reviewer(holder, LookUp({Digest: latest, Namespace: latest}), clock=lambda: NOW)
    outcome = reviewer.decide(request())
    assert outcome.policy_version == "one"
    assert seen == [Found("one"), Found("one")]
    assert not outcome.allowed, "in version two the namespace would only be warned"
    assert holder.current.version == "two"
    assert reviewer.decide(request()).allowed
