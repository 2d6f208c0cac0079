"""Admission of policy objects: errors of lint, lockouts, and what must stay possible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource
from imagegate.core.enforcement.selection import PolicySet
from imagegate.documents.lint.one_policy import LINTED_ENTRIES_MAX
from imagegate.service.guard.policy_guard import NAMESPACE_CONTROLLER
from tests.service.guard.setup import OWN, PROXY, decided, enforcing, guard, request
from tests.support.enforcement_setup import CISE_GROUP, NOW, policy

ALLOW_ALL = policy('{name: "*"}', name="all")
ONLY_MINE = policy('{name: "registry.example.com/*"}', name="mine")
SYSTEM = policy('{name: "registry.k8s.io/*"}', namespace="kube-system", name="system")
OWN_POLICY = policy('{name: "registry.example.com/*"}', namespace="imagegate", name="own")
REJECTED = policy('{name: "*", policy: {simple: {requirements: [{type: reject}]}}}', name="all")


def message(asked: AdmissionRequest, *in_force: str) -> str:
    found = decided(guard("".join(in_force)), asked)
    return "" if found.status is None else found.status.message


class TestLint:
    def test_a_misspelt_field_is_refused_with_its_place(self) -> None:
        asked = request("CREATE", policy('{name: "*", policy: {trst: {enabled: true}}}', name="x"))
        found = decided(guard(), asked)
        assert found.status is not None
        assert (found.status.code, found.status.reason) == (422, "Invalid")
        assert found.status.message == (
            'ClusterImagePolicy.portieris.cloud.ibm.com "x" is refused: spec.repositories[0].policy.trst: '
            'unknown field; did you mean "trust"?'
        )

    def test_a_warning_of_lint_is_a_warning_of_admission(self) -> None:
        found = decided(guard(), request("CREATE", policy('{name: "evil*/x"}', '{name: "*"}', namespace="team")))
        assert found.allowed
        (warning,) = found.warnings
        assert warning.startswith('imagegate: spec.repositories[0]: "evil*/x" also matches hosts that only begin so')

    def test_an_entry_that_a_policy_in_force_outdoes_is_a_warning(self) -> None:
        shadowing = policy('{name: "*"}', namespace="team", name="a")
        asked = request("CREATE", policy('{name: "*"}', namespace="team", name="b"))
        assert "never decides: ImagePolicy team/a" in decided(guard(shadowing), asked).warnings[0]

    @pytest.mark.parametrize("spec", ["[]", "1", "{repositories: {}}", "{repositories: [1]}", "{repositories: [null]}"])
    def test_a_spec_of_the_wrong_type_is_refused(self, spec: str) -> None:
        text = f"{{apiVersion: {CISE_GROUP}, kind: ImagePolicy, metadata: {{name: x, namespace: team}}, spec: {spec}}}"
        assert "is refused: spec" in message(request("CREATE", text))

    def test_an_object_that_is_missing_or_another_kind_is_refused(self) -> None:
        asked = request("CREATE", ALLOW_ALL)
        assert "is refused" in message(replace(asked, object=None))
        other = replace(asked, object=request("CREATE", SYSTEM).object)
        assert "the object says it is a ImagePolicy" in message(other)
        assert "cannot be read" in message(replace(asked, object={"kind": "\ud800"}))
        assert "is not one" in message(replace(asked, object={"apiVersion": "v1", "kind": "Secret"}))

    def test_a_very_long_policy_is_only_checked_for_errors(self) -> None:
        entries = ['{name: "*evil/x"}'] * (LINTED_ENTRIES_MAX + 1)
        (warning,) = decided(guard(), request("CREATE", policy(*entries, namespace="team"))).warnings
        assert warning.startswith("imagegate: spec.repositories: has more than 500 entries")
        wrong = [*entries, "{nme: x}"]
        assert "unknown field" in message(request("CREATE", policy(*wrong, namespace="team")))


class TestCoverage:
    def test_an_update_that_leaves_the_spec_is_not_judged(self) -> None:
        """So finalizers can be removed, and labels set, whatever is wrong with the spec."""
        assert not guard().covers(request("UPDATE", REJECTED, old=REJECTED))
        assert guard().covers(request("UPDATE", REJECTED, old=ALLOW_ALL))

    def test_the_status_and_other_resources_are_not_judged(self) -> None:
        asked = request("UPDATE", REJECTED, old=ALLOW_ALL)
        assert not guard().covers(replace(asked, sub_resource="status"))
        assert not guard().covers(replace(asked, resource=GroupResource("", "pods"), kind=GroupKind("", "Pod")))


class TestLockouts:
    @pytest.mark.parametrize("group", ["portieris.cloud.ibm.com/v1", CISE_GROUP])
    def test_a_policy_that_denies_system_pods_is_refused(self, group: str) -> None:
        asked = request("CREATE", policy('{name: "registry.example.com/*"}', name="mine", group=group))
        kind = f"ClusterImagePolicy.{group.partition('/')[0]}"
        said = message(asked, OWN_POLICY)
        assert said.startswith(
            f'{kind} "mine" is refused: image {PROXY} in namespace kube-system is denied by cise: Deny "{PROXY}", '
            'no matching repositories in ClusterImagePolicy and no ImagePolicies in the "kube-system" namespace; '
        )
        assert said.endswith(
            "; without these images the cluster or imagegate may not start again: name them in repositories, or "
            "first create an ImagePolicy that allows them in kube-system; to allow it nevertheless, "
            'set guard.lockout to "warn"'
        )
        assert message(asked, OWN_POLICY, SYSTEM) == ""

    def test_the_rule_that_would_deny_is_named(self) -> None:
        said = message(request("UPDATE", REJECTED, old=ALLOW_ALL), ALLOW_ALL, SYSTEM)
        assert (
            f"image {OWN} in namespace imagegate is denied by cise of ClusterImagePolicy all repositories[0] *" in said
        )

    def test_a_policy_of_a_tenant_is_not_judged_by_guarded_images(self) -> None:
        tenant = policy('{name: "registry.example.com/team/*"}', namespace="team")
        plugin = guard()
        assert list(plugin.questions(request("CREATE", tenant), KnownAnswers())) == []
        assert message(request("CREATE", tenant)) == ""

    def test_policies_can_be_written_one_by_one_before_any_is_there(self) -> None:
        assert message(request("CREATE", SYSTEM)) == ""
        assert message(request("CREATE", OWN_POLICY), SYSTEM) == ""
        assert message(request("CREATE", ONLY_MINE), SYSTEM, OWN_POLICY) == ""

    def test_a_first_policy_that_allows_no_guarded_image_is_refused(self) -> None:
        nothing = policy('{name: "docker.io/*"}')
        assert OWN in message(request("CREATE", nothing))
        assert PROXY in message(request("CREATE", nothing))

    def test_an_empty_policy_of_a_guarded_namespace_is_refused(self) -> None:
        assert PROXY in message(request("CREATE", policy(namespace="kube-system")), ALLOW_ALL)

    def test_a_change_that_repairs_a_part_is_allowed(self) -> None:
        broken = policy('{name: "docker.io/*"}', name="all")
        better = policy('{name: "docker.io/*"}', '{name: "registry.k8s.io/*"}', name="all")
        assert message(request("UPDATE", better, old=broken), broken) == ""

    def test_what_look_ups_decide_is_a_warning(self) -> None:
        signed = (
            '{name: "*", policy: {simple: {storeURL: "https://s.example.com", '
            "requirements: [{type: signedBy, keySecret: k, keySecretNamespace: imagegate}]}}}"
        )
        found = decided(guard(), request("CREATE", policy(signed)))
        assert found.allowed
        rule = "ClusterImagePolicy p repositories[0] *"
        doubt = f"imagegate: image {OWN} in namespace imagegate: look-ups of cise ({rule}) decide when a pod starts"
        assert doubt in found.warnings


class TestDeletion:
    def test_the_last_policy_that_admits_own_image_stays(self) -> None:
        said = message(request("DELETE", ALLOW_ALL), ALLOW_ALL)
        assert OWN in said
        assert "no image policies or cluster polices" in said

    def test_it_may_go_once_another_admits_it(self) -> None:
        assert message(request("DELETE", ALLOW_ALL), ALLOW_ALL, SYSTEM, OWN_POLICY) == ""

    def test_what_was_denied_before_is_no_reason(self) -> None:
        unrelated = policy('{name: "docker.io/*"}', name="unrelated")
        assert message(request("DELETE", unrelated), unrelated, SYSTEM) == ""

    def test_a_namespace_that_is_deleted_takes_its_policies_along(self) -> None:
        asked = request("DELETE", OWN_POLICY, user=NAMESPACE_CONTROLLER)
        assert message(asked, OWN_POLICY) == ""
        assert OWN in message(request("DELETE", OWN_POLICY), OWN_POLICY)
        assert OWN in message(request("DELETE", ALLOW_ALL, user=NAMESPACE_CONTROLLER), ALLOW_ALL)

    def test_a_collection_names_each_object_only_in_itself(self) -> None:
        asked = replace(request("DELETE", ALLOW_ALL), name="")
        assert OWN in message(asked, ALLOW_ALL)


class TestNotKnown:
    def test_pods_that_cannot_be_listed_refuse_the_change(self) -> None:
        found = decided(guard(), request("CREATE", ALLOW_ALL), kube_system=Unknown("pods: forbidden"))
        assert found.status is not None
        assert found.status.code == 500
        assert "pods: forbidden" in found.status.message
        assert {denial.code for denial in found.denials} == {DenialCode.LOOK_UP_FAILED}

    def test_an_answer_that_did_not_come_refuses_the_change(self) -> None:
        asked = request("CREATE", ALLOW_ALL)
        assert not guard().decide(asked, KnownAnswers(), now=NOW).allowed

    def test_policies_that_are_not_read_yet_refuse_the_change(self) -> None:
        configured = enforcing("")
        plugin = replace(configured.plugin, policies=PolicySet((), unavailable="not listed yet"))  # type: ignore[type-var]
        found = decided(guard(plugins=(replace(configured, plugin=plugin),)), request("CREATE", ALLOW_ALL))
        assert found.status is not None
        assert "not listed yet" in found.status.message


class TestSettings:
    def test_warn_allows_and_says_why(self) -> None:
        found = decided(guard(refuses=False), request("CREATE", policy('{name: "docker.io/*"}')))
        assert found.allowed
        assert any(f"image {OWN} in namespace imagegate is denied by cise" in warning for warning in found.warnings)

    def test_without_image_enforcement_only_lint_counts(self) -> None:
        assert decided(guard(plugins=()), request("CREATE", policy('{name: "docker.io/*"}'))).allowed
        assert not decided(guard(plugins=()), request("CREATE", policy("{nme: x}"))).allowed
