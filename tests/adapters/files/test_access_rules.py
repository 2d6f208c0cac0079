"""Access reviews from a file of rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.adapters.files.access_rules import FileAccessReviews, load_access_rules, read_access_rules
from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.request import User
from imagegate.errors import ConfigError, InvalidPolicy

RULES = """
kind: AccessRules
rules:
- users: [alice]
  verbs: [get]
  apiGroups: [image.openshift.io]
  resources: [imagestreams/layers]
  namespaces: [shared]
  resourceNames: [base]
- groups: [builders]
  verbs: ["*"]
  apiGroups: ["*"]
  resources: ["*/layers", imagestreams]
- users: [root]
  verbs: ["*"]
  apiGroups: ["*"]
  resources: ["*"]
"""
ALICE, BUILDER, ROOT = User("alice"), User("bob", "", ("builders",)), User("root")


def allowed(asked: Access, rules: str = RULES) -> bool:
    answer = FileAccessReviews(read_access_rules(rules, "access.yaml")).access(asked, deadline_s=1)
    assert isinstance(answer, Found)
    return answer.value.allowed


def layers(user: User, namespace: str = "shared", name: str = "base", **changes: str) -> Access:
    fields = {"verb": "get", "group": "image.openshift.io", "resource": "imagestreams", "subresource": "layers"}
    return Access(user, namespace=namespace, name=name, **{**fields, **changes})


@pytest.mark.parametrize(
    "asked,expected",
    [
        (layers(ALICE), True),
        (layers(User("mallory")), False),
        (layers(ALICE, "other"), False),
        (layers(ALICE, ""), False),
        (layers(ALICE, name="other"), False),
        (layers(ALICE, verb="update"), False),
        (layers(ALICE, group="apps"), False),
        (layers(ALICE, subresource=""), False),
        (layers(ALICE, resource="images"), False),
        (layers(BUILDER, "any", "any"), True),
        (layers(BUILDER, resource="images"), True),
        (layers(BUILDER, subresource=""), True),
        (layers(BUILDER, resource="images", subresource=""), False),
        (layers(BUILDER, subresource="secrets"), False),
        (layers(ROOT, "", "", resource="imagestreammapping", subresource="", verb="create"), True),
        (layers(ROOT, subresource="secrets"), True),
    ],
)
def test_who_may_do_what(asked: Access, expected: bool) -> None:
    assert allowed(asked) is expected


def test_without_rules_nobody_may_do_anything() -> None:
    assert FileAccessReviews().access(layers(ROOT), deadline_s=1) == Found(AccessAnswer(False), "access rules")


def test_the_reason_names_the_rule() -> None:
    answer = FileAccessReviews(read_access_rules(RULES, "access.yaml")).access(layers(ALICE), deadline_s=1)
    assert isinstance(answer, Found)
    assert answer.value.reason == "allowed by access.yaml rules[0]"


@pytest.mark.parametrize(
    "text,error",
    [
        ("kind: Other", "access.yaml:1: kind: expected AccessRules"),
        ("kind: AccessRules\nrules:\n- users: [a]\n", "access.yaml:3: rules[0].verbs: at least one is required"),
        (
            "kind: AccessRules\nrules:\n- {verbs: [a], apiGroups: [a], resources: [a]}",
            "access.yaml:3: rules[0].users: a rule needs users or groups",
        ),
        ("kind: AccessRules\nrule: []", 'access.yaml:2: rule: unknown field; did you mean "rules"?'),
        ("kind: AccessRules\n---\nkind: AccessRules", "access.yaml:1: expected one document, got 2"),
    ],
)
def test_a_wrong_file_is_refused(text: str, error: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_access_rules(text, "access.yaml")
    assert error in str(caught.value).splitlines()


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").write_text(RULES, encoding="utf-8")
    assert len(load_access_rules(tmp_path / "access.yaml")) == 3
    with pytest.raises(ConfigError, match=r"absent.yaml: cannot be read: No such file or directory$"):
        load_access_rules(tmp_path / "absent.yaml")
