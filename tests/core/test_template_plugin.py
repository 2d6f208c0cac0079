"""Pod templates of custom resources, judged as the Pods that they become."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.custom_resources import (
    TEMPLATES_MAX,
    CustomResource,
    is_path,
    templates,
)
from imagegate.core.admission.decision import Decision, DenialCode
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase
from imagegate.core.admission.template_plugin import TemplatePlugin
from imagegate.core.admission.trace import Trace
from imagegate.core.admission.workload import InvalidObject
from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.enforcement.behaviour import CiseSettings, Rewriting
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.service.policies.policy_set import ConfiguredPlugin, Modes
from imagegate.wiring.templates import judging_templates
from tests.support.answering import answered
from tests.support.enforcement_setup import (
    NOW,
    SIGNED_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    policy,
)
from tests.support.image_policy_setup import PolicySetup

ROLLOUT = CustomResource("argoproj.io", "rollouts", "Rollout", ("spec.template.spec",))
WORKFLOW = CustomResource(
    "argoproj.io", "workflows", "Workflow", ("spec.podSpec",), ("spec.templates[*].steps[*].image",), optional=True
)
GOOD, BAD = "docker.io/library/nginx:1", "quay.io/evil/tool:1"
ONLY_HUB = """
kind: ImagePolicyConfig
apiVersion: v1
resolveImages: DoNotAttempt
executionRules:
- {name: hub, matchRegistries: [docker.io], onResources: [{resource: pods}]}
- {name: no-evil, reject: true, matchRegistries: [quay.io], onResources: [{group: argoproj.io, resource: rollouts}]}
"""


def review(about: CustomResource, document: dict[str, Any] | None, **changes: Any) -> AdmissionRequest:
    """A request about one object."""
    given: dict[str, Any] = {
        "uid": "1",
        "phase": Phase.MUTATE,
        "operation": "CREATE",
        "kind": about.group_kind,
        "resource": about.group_resource,
        "request_kind": about.group_kind,
        "request_resource": about.group_resource,
        "namespace": "default",
        "name": "x",
        "object": document,
    }
    return AdmissionRequest(**given | changes)


def rollout(*images: str, **metadata: Any) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "x", **metadata},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}},
    }


def workflow(*steps: list[Any], pod_spec: Any = None) -> dict[str, Any]:
    spec = {"templates": [{"steps": each} for each in steps], **({"podSpec": pod_spec} if pod_spec else {})}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"}, "spec": spec}


def judging(plugin: Plugin) -> Plugin:
    (found,) = judging_templates([ConfiguredPlugin(plugin, Modes())], (ROLLOUT, WORKFLOW))
    return found.plugin


class ImagePolicy:
    """The image policy with templates, over a set-up of its own."""

    def __init__(self, text: str = ONLY_HUB, **behaviour: Any) -> None:
        self._setup = PolicySetup(text, Behaviour(**behaviour))
        self.plugin = judging(self._setup.plugin)

    def __call__(self, request: AdmissionRequest, trace: Trace | None = None) -> Decision:
        assert self.plugin.covers(request)
        answers = answered(self.plugin, request, self._setup.answer, [])
        return self.plugin.decide(request, answers, now=NOW, trace=trace)


class TestPaths:
    @pytest.mark.parametrize("text", ["spec", "spec.template.spec", "spec.a[*].b", "a[*]", "_x.y-z1"])
    def test_fields_joined_by_dots(self, text: str) -> None:
        assert is_path(text)

    @pytest.mark.parametrize(
        "text", ["", ".", "a.", ".a", "a..b", "$.a", "a[0]", "a[*][*]", "a b", "a/b", "a\n", "[*]"]
    )
    def test_everything_else_is_refused(self, text: str) -> None:
        assert not is_path(text)

    def test_every_item_of_a_list_is_read(self) -> None:
        found = templates(WORKFLOW, workflow([{"image": "a"}, {}, None], [{"image": "b"}], pod_spec={"containers": []}))
        assert [(each.place, each.is_image) for each in found] == [
            ("spec.podSpec", False),
            ("spec.templates[0].steps[0].image", True),
            ("spec.templates[1].steps[0].image", True),
        ]

    @pytest.mark.parametrize(
        "document, why",
        [
            ({"spec": []}, "spec: expected an object, got list"),
            ({"spec": {"template": "x"}}, "spec.template: expected an object, got str"),
            ({"spec": {"template": {"spec": [1]}}}, "spec.template.spec: expected a pod spec, got list"),
            ({"spec": {"template": {"spec": {}, "metadata": 1}}}, "the metadata beside it is not an object but int"),
        ],
    )
    def test_another_type_is_an_error(self, document: dict[str, Any], why: str) -> None:
        with pytest.raises(InvalidObject, match=why.replace("[", r"\[")):
            templates(ROLLOUT, document)

    def test_a_list_where_none_is_and_none_where_one_is(self) -> None:
        with pytest.raises(InvalidObject, match=r"spec\.templates: expected a list, got dict"):
            templates(WORKFLOW, {"spec": {"templates": {}}})
        with pytest.raises(InvalidObject, match=r"spec.templates\[0\].steps\[0\].image: expected an image, got int"):
            templates(WORKFLOW, workflow([{"image": 1}]))

    def test_their_number_is_bounded(self) -> None:
        many = workflow([{"image": "a"}] * (TEMPLATES_MAX + 1))
        with pytest.raises(InvalidObject, match="more than 256 pod templates"):
            templates(WORKFLOW, many)
        assert len(templates(WORKFLOW, workflow([{"image": "a"}] * TEMPLATES_MAX))) == TEMPLATES_MAX


class TestImagePolicy:
    def test_rules_for_pods_decide_and_name_the_place_in_the_object(self) -> None:
        found = ImagePolicy()(review(ROLLOUT, rollout(GOOD, "r.example.com/x:1")))
        (denial,) = found.denials
        assert (denial.at, denial.code) == ("spec.template.spec.containers[1].image", DenialCode.NO_RULE_ALLOWS)
        assert found.status is not None
        assert (found.status.code, found.status.kind, found.status.group) == (403, "Rollout", "argoproj.io")
        assert found.status.message.startswith(
            'Rollout.argoproj.io "x" is forbidden: spec.template.spec.containers[1].image: this image is prohibited'
        )
        assert [cause.field for cause in found.status.causes] == ["spec.template.spec.containers[1].image"]
        assert ImagePolicy()(review(ROLLOUT, rollout(GOOD, GOOD))).allowed

    def test_rules_that_name_the_resource_decide_too(self) -> None:
        accepts_all = ONLY_HUB.replace("matchRegistries: [docker.io], ", "")
        (denial,) = ImagePolicy(accepts_all)(review(ROLLOUT, rollout(BAD))).denials
        assert denial.rule == "executionRules[1] no-evil"

    def test_images_that_are_in_no_container(self) -> None:
        (denial,) = ImagePolicy()(review(WORKFLOW, workflow([{"image": GOOD}, {"image": BAD}]))).denials
        assert (denial.at, denial.image) == ("spec.templates[0].steps[1].image", BAD)

    def test_an_object_without_any_is_denied_unless_that_is_allowed(self) -> None:
        (denial,) = ImagePolicy()(review(ROLLOUT, {"kind": "Rollout", "spec": {"workloadRef": {}}})).denials
        assert denial.because == (
            "no pod template and no image is at the paths of imagePolicy.extraResources: spec.template.spec"
        )
        assert not ImagePolicy()(review(ROLLOUT, None)).allowed
        assert ImagePolicy()(review(WORKFLOW, {"kind": "Workflow"})).allowed

    def test_a_list_for_an_object_is_denied(self) -> None:
        (denial,) = ImagePolicy()(review(ROLLOUT, {"spec": {"template": [{"spec": {}}]}})).denials
        assert (denial.code, denial.at, denial.because) == (
            DenialCode.INVALID_OBJECT,
            "spec.template",
            "expected an object, got list",
        )
        inside = rollout(GOOD)
        inside["spec"]["template"]["spec"]["containers"] = {"image": BAD}
        assert not ImagePolicy()(review(ROLLOUT, inside)).allowed

    def test_an_exempt_namespace_is_left_alone(self) -> None:
        exempt = ImagePolicy(exempt_namespaces=frozenset({"default"}))
        assert exempt(review(ROLLOUT, {"spec": {"template": []}})).allowed

    def test_kind_or_resource_is_enough(self) -> None:
        asked = review(ROLLOUT, rollout(BAD))
        policy = ImagePolicy()
        assert not policy(replace(asked, resource=GroupResource("argoproj.io", "rolloutz"))).allowed
        assert not policy(replace(asked, kind=GroupKind("argoproj.io", "Rolout"))).allowed
        other = replace(asked, kind=GroupKind("x", "Rollout"), resource=GroupResource("x", "rollouts"))
        assert not policy.plugin.covers(replace(other, request_resource=other.resource))

    def test_other_subresources_and_deletions_are_not_judged(self) -> None:
        asked = review(ROLLOUT, rollout(BAD))
        assert not ImagePolicy().plugin.covers(replace(asked, sub_resource="status"))
        assert not ImagePolicy().plugin.covers(replace(asked, operation="DELETE"))

    def test_what_was_there_before_is_not_judged_again(self) -> None:
        old, new = rollout(BAD, GOOD), rollout(BAD, "docker.io/library/nginx:2")
        assert ImagePolicy()(review(ROLLOUT, new, operation="UPDATE", old_object=old)).allowed
        other = rollout(BAD, "quay.io/evil/other:1")
        (denial,) = ImagePolicy()(review(ROLLOUT, other, operation="UPDATE", old_object=old)).denials
        assert denial.at == "spec.template.spec.containers[1].image"
        broken = {"spec": {"template": "x"}}
        assert not ImagePolicy()(review(ROLLOUT, rollout(BAD), operation="UPDATE", old_object=broken)).allowed

    def test_a_finalizer_can_be_removed_from_an_object_without_any(self) -> None:
        bare = {"kind": "Rollout", "metadata": {"finalizers": ["x"]}}
        assert ImagePolicy()(review(ROLLOUT, {"kind": "Rollout"}, operation="UPDATE", old_object=bare)).allowed

    def test_plain_workloads_are_judged_as_before(self) -> None:
        pod = GroupKind("", "Pod")
        pods = GroupResource("", "pods")
        document = {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": BAD}]}}
        asked = review(ROLLOUT, document, kind=pod, resource=pods, request_kind=pod, request_resource=pods)
        (denial,) = ImagePolicy()(asked).denials
        assert denial.at == "spec.containers[0].image"

    def test_a_rule_that_only_warns_names_the_place_in_the_object(self) -> None:
        warns = ONLY_HUB.replace("reject: true,", "reject: true, mode: warn,").replace(
            "matchRegistries: [docker.io], ", ""
        )
        found = ImagePolicy(warns)(review(ROLLOUT, rollout(BAD)))
        assert found.allowed
        assert [each.denial.at for each in found.softened] == ["spec.template.spec.containers[0].image"]
        assert found.warnings[0].startswith("spec.template.spec.containers[0].image: ")

    def test_a_trace_names_places_in_the_object(self) -> None:
        trace = Trace()
        ImagePolicy()(review(ROLLOUT, rollout(GOOD)), trace)
        assert "spec.template.spec.containers[0].image" in {at for at, _ in trace.steps}


class TestEnforcement:
    def setup_of(self, **changes: Any) -> tuple[CiseSetup, Plugin]:
        documents = policy(SIGNED_ENTRY, '{name: "docker.io/*"}') + key_secret("signer1")
        setup = CiseSetup(documents, **changes)
        return setup, judging(setup.plugin)

    def decide(self, setup: CiseSetup, plugin: Plugin, request: AdmissionRequest) -> Decision:
        assert plugin.covers(request)
        answers = answered(plugin, request, setup._answer, [])
        return plugin.decide(request, answers, now=NOW)

    def test_images_are_looked_up_and_denied_at_their_place(self) -> None:
        setup, plugin = self.setup_of()
        found = self.decide(setup, plugin, review(ROLLOUT, rollout("docker.io/library/x:1", BAD)))
        assert [denial.at for denial in found.denials] == ["spec.template.spec.containers[1].image"]
        assert "no matching repositories" in (found.status.message if found.status else "")

    def test_a_template_is_rewritten_without_a_record(self) -> None:
        setup, plugin = self.setup_of(digests={SIGNED_IMAGE: SIGNED_DIGEST})
        document = rollout(SIGNED_IMAGE)
        found = self.decide(setup, plugin, review(ROLLOUT, document))
        (op,) = found.rewrites
        assert op.path == "/spec/template/spec/containers/0/image"
        left = apply_patch(copy.deepcopy(document), found.rewrites)
        assert self.decide(setup, plugin, review(ROLLOUT, dict(left), phase=Phase.VALIDATE)).allowed

    def test_rewriting_of_pods_alone_leaves_templates(self) -> None:
        _, plugin = self.setup_of(settings=CiseSettings(rewriting=Rewriting.PODS))
        assert isinstance(plugin, TemplatePlugin)
        assert plugin.judge.settings.rewriting is Rewriting.NEVER  # type: ignore[attr-defined]
        assert plugin.plugin.settings.rewriting is Rewriting.PODS  # type: ignore[attr-defined]

    def test_absent_evidence_denies(self) -> None:
        setup, plugin = self.setup_of()
        assert not self.decide(setup, plugin, review(ROLLOUT, rollout("127.0.0.1:5000/unknown:1"))).allowed


class TestAlwaysPull:
    def decide(self, request: AdmissionRequest) -> Decision:
        plugin = judging(AlwaysPullPlugin())
        assert plugin.covers(request)
        return plugin.decide(request, answered(plugin, request, _nothing, []), now=NOW)

    def test_always_is_written_into_the_template(self) -> None:
        found = self.decide(review(ROLLOUT, rollout(GOOD)))
        assert [(op.path, op.value) for op in found.rewrites] == [
            ("/spec/template/spec/containers/0/imagePullPolicy", "Always")
        ]
        left = apply_patch(rollout(GOOD), found.rewrites)
        assert self.decide(review(ROLLOUT, dict(left), phase=Phase.VALIDATE)).allowed
        assert not self.decide(review(ROLLOUT, rollout(GOOD), phase=Phase.VALIDATE)).allowed

    def test_images_that_are_in_no_container_have_no_pull_policy(self) -> None:
        found = self.decide(review(WORKFLOW, workflow([{"image": GOOD}]), phase=Phase.VALIDATE))
        assert found.allowed


def _nothing(question: object) -> Any:
    raise AssertionError(f"asked {question}")
