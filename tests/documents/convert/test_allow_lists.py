"""Allow-lists of Kyverno and Gatekeeper: which forms are read, and what the entries made of them decide."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.core.enforcement.selection import PolicySet, Selected, select
from imagegate.documents.convert.allow_lists.expressions import Images, read_cel, read_pattern
from imagegate.documents.convert.allow_lists.restrictions import Glob, Restriction, entries_of
from imagegate.documents.convert.foreign import lists_to_policies, read_lists
from imagegate.documents.convert.losses import Effect, Loss, is_exact
from imagegate.documents.convert.made_policy import policy_text
from imagegate.documents.image_policies import read_policies
from imagegate.errors import InvalidPolicy

SETTINGS = CiseSettings.for_profile(Profile.PORTIERIS)
HEX = "a" * 64
IMAGES = (
    "a.io/x:1", "a.io/x", "a.io/y/x:1", f"a.io/x@sha256:{HEX}", "b.io/x:1", "x.a.io/y:1", "evil.org/a.io/x:1",
     "nginx", "nginx:1",
    "team/nginx", "docker.io/library/nginx:1", "a.io.evil.org/x:1", "a.iox/y:2", "b.io/a.io/x:1",
)  # fmt: skip


def matches(glob: str, image: str) -> bool:
    """A model of Kyverno's wildcards: the whole string, ``*`` over everything."""
    pattern = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in glob)
    return re.fullmatch(pattern, image, re.DOTALL) is not None


def model(restrictions: list[Restriction], namespace: str, image: str) -> bool:
    applying = [each for each in restrictions if each.applies(namespace)]
    return all(
        (each.allowed is None or any(matches(glob.text, image) for glob in each.allowed))
        and not any(matches(glob.text, image) for glob in each.denied)
        for each in applying
    )


def decide(policies: PolicySet, namespace: str, image: str) -> bool:
    found = select(policies, namespace, image, parse_image(image), SETTINGS)
    return isinstance(found, Selected) and not found.entry.simple.requirements


globs = st.sampled_from(
    ["*", "a.io/*", "a.io/x", "a.io/x:*", "a.io/x:1", "a.io*", "*.a.io/*", "*a.io/*", "b.io/*", "?.io/*", "nginx*",
     "nginx", "*:1",
     "*/x:1", "docker.io/library/*", "a.io/y/*", "*"]
).map(lambda text: Glob(text, 1))  # fmt: skip
scopes = st.sampled_from(
    [(frozenset(), frozenset()), (frozenset({"one"}), frozenset()), (frozenset(), frozenset({"one"}))]
)
restrictions = st.builds(
    lambda allowed, denied, scope: Restriction("r", "f", 1, allowed, denied, *scope),
    st.one_of(st.none(), st.lists(globs, max_size=3)),
    st.lists(globs, max_size=2),
    scopes,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(restrictions, min_size=1, max_size=3))
def test_no_entry_allows_what_a_restriction_denies(written: list[Restriction]) -> None:
    made = entries_of(written)
    text = "---\n".join(
        policy_text(PolicyGroup.PORTIERIS, "p", entries, namespace=name) for name, entries in made.entries.items()
    )
    policies = PolicySet(read_policies(text, "made.yaml").policies)
    for image in IMAGES:
        for namespace in ("one", "two"):
            before, after = model(written, namespace, image), decide(policies, namespace, image)
            assert before or not after, (namespace, image)
            if is_exact(made.losses):
                assert before == after, (namespace, image)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a/* | b/*", Images(("a/*", "b/*"))),
        ("a/*|b/*", Images(("a/*", "b/*"))),
        ("a/*", Images(("a/*",))),
        ("!*:latest", Images(("*:latest",), are_denied=True)),
        ("!a/* & !b/*", Images(("a/*", "b/*"), are_denied=True)),
        ("!a/* | b/*", None),
        ("a/* & b/*", None),
        ("a/* | ", None),
        ("{{ allowed }}", None),
        (">1", None),
    ],
)
def test_patterns(text: str, expected: Images | None) -> None:
    assert read_pattern(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "variables.allContainers.all(c, c.image.startsWith('a/') || c.image.startsWith(\"b/\"))",
            Images(("a/*", "b/*")),
        ),
        ("object.spec.containers.all(container, (container.image.startsWith('a/')))", Images(("a/*",))),
        (
            "object.spec.containers.all(c, !c.image.startsWith('a/') && !c.image.startsWith('b/'))",
            Images(("a/*", "b/*"), True),
        ),
        ("object.spec.containers.all(c, c.image == 'a/b:1')", Images(("a/b:1",))),
        ("object.spec.containers.all(c, c.image != 'a/b:1')", Images(("a/b:1",), True)),
        ("object.spec.containers.all(c, c.image.startsWith('a/') && c.image.startsWith('b/'))", None),
        ("object.spec.containers.all(c, !c.image.startsWith('a/') || !c.image.startsWith('b/'))", None),
        ("object.spec.containers.all(c, c.image.startsWith('a/') || c.image.contains('b'))", Images(("a/*", "*b*"))),
        ("object.spec.containers.all(c, !c.image.endsWith(':latest'))", Images(("*:latest",), True)),
        ("object.spec.containers.all(c, c.image.startsWith('a/') || c.image.matches('b'))", None),
        ("object.spec.containers.all(c, c.image.contains('a?'))", None),
        ("object.spec.containers.all(c, d.image.startsWith('a/'))", None),
        ("object.spec.containers.exists(c, c.image.startsWith('a/'))", None),
        ("object.spec.containers.all(c, c.image.startsWith('a*/'))", None),
        ("object.spec.containers.all(c, (c.image.startsWith('a/')) || (true))", None),
        ("!object.spec.containers.all(c, c.image.startsWith('a/'))", None),
    ],
)
def test_cel(text: str, expected: Images | None) -> None:
    assert read_cel(text) == expected


def convert(*documents: dict[str, Any], allow_wider: bool = False) -> tuple[str, list[Loss]]:
    lists = read_lists(yaml.safe_dump_all(documents), "f.yaml", allow_wider=allow_wider)
    return lists_to_policies(lists, PolicyGroup.PORTIERIS, allow_wider=allow_wider)


def entries(text: str) -> dict[str, list[str]]:
    found = {}
    for each in read_policies(text, "made.yaml").policies:
        found[each.namespace] = [f"{'!' if entry.simple.requirements else ''}{entry.name}" for entry in each.entries]
    return found


def effects(losses: list[Loss]) -> set[str]:
    return {str(loss.effect) for loss in losses}


def constraint(kind: str, parameters: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": kind,
        "metadata": {"name": "c"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, "parameters": parameters, **spec},
    }


def allowed(**spec: Any) -> dict[str, Any]:
    return constraint("K8sAllowedRepos", {"repos": ["a.io/"]}, **spec)


ONLY_A: dict[str, list[str]] = {"": ["a.io/*"]}
NARROWER = {"narrower"}


@pytest.mark.parametrize(
    "document, expected, found",
    [
        (constraint("K8sAllowedRepos", {"repos": ["a.io/", "b.io"]}), {"": ["a.io/*", "b.io*"]}, set()),
        (constraint("K8sAllowedRepos", {"repos": ["a*/"]}), {"": []}, {"note"}),
        (constraint("K8sAllowedRepos", {}), {"": []}, set()),
        (constraint("K8sAllowedReposv2", {"allowedImages": ["a.io/*", "b.io/x:1", "c.io/x"]}), {"": ["a.io/*",
         "b.io/x:1"]},
         NARROWER),
        (constraint("K8sDisallowedRepos", {"repos": ["a.io/"]}), {"": ["!a.io/*", "*"]}, set()),
        (allowed(enforcementAction="dryrun"), ONLY_A, NARROWER),
        (allowed(match={"namespaces": ["one"]}), {"": ["*"], "one": ["a.io/*"]}, set()),
        (allowed(match={"excludedNamespaces": ["kube-system", "kube-*"]}),
         {"": ["a.io/*"], "kube-system": ["*"]}, NARROWER),
        (allowed(match={"namespaces": ["team-*"]}), ONLY_A, NARROWER),
        (allowed(match={"labelSelector": {"matchLabels": {"a": "b"}}}),
         ONLY_A, NARROWER),
        (allowed(match={"kinds": [{"kinds": ["Deployment"]}]}), ONLY_A,
         NARROWER),
    ],
)  # fmt: skip
def test_gatekeeper(document: dict[str, Any], expected: dict[str, list[str]], found: set[str]) -> None:
    text, losses = convert(document)
    assert entries(text) == expected
    assert effects(losses) == found


def test_all_constraints_must_hold() -> None:
    text, losses = convert(
        constraint("K8sAllowedRepos", {"repos": ["a.io/", "b.io/"]}),
        constraint("K8sAllowedRepos", {"repos": ["a.io/team/", "c.io/"]}),
        constraint("K8sDisallowedRepos", {"repos": ["a.io/team/old"]}),
        constraint("K8sRequiredLabels", {"labels": []}),
    )
    assert entries(text) == {"": ["!a.io/team/old*", "a.io/team/*"]}
    assert [(loss.text, str(loss.effect)) for loss in losses] == [
        ("K8sRequiredLabels is no list of allowed images: not converted", "unenforced")
    ]


def test_a_constraint_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InvalidPolicy, match=r"f\.yaml:13: spec\.parameters\.repos: expected a list"):
        convert(constraint("K8sAllowedRepos", {"repos": "a.io/"}))


def kyverno(validate: dict[str, Any], *, action: str = "Enforce", **rule: Any) -> dict[str, Any]:
    match = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "validationFailureAction": action,
            "rules": [{"name": "r", "match": match, "validate": validate, **rule}],
        },
    }


def pattern(image: str, *lists: str) -> dict[str, Any]:
    names = lists or ("containers", "=(initContainers)", "=(ephemeralContainers)")
    return {"pattern": {"spec": {name: [{"image": image}] for name in names}}}


def deny(key: str, operator: str, value: Any) -> dict[str, Any]:
    return {"deny": {"conditions": {"any": [{"key": key, "operator": operator, "value": value}]}}}


REGISTRIES = "{{ images.[containers, initContainers, ephemeralContainers].*.registry }}"
FOREACH = {"list": "request.object.spec.[ephemeralContainers, initContainers, containers][]"}
VARIABLES = [{"name": "allContainers", "expression": "object.spec.containers + object.spec.?initContainers.orValue([])"
              " + (has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : [])"}]  # fmt: skip
WHOLE_CEL: dict[str, dict[str, Any]] = {"cel": {"variables": VARIABLES, "expressions": [
    {"expression": "variables.allContainers.all(c, c.image.startsWith('a.io/'))"}]}}  # fmt: skip
CEL = {"cel": {"expressions": [{"expression": "object.spec.containers.all(c, c.image.startsWith('a.io/'))"}]}}


@pytest.mark.parametrize(
    "document, expected, found",
    [
        (kyverno(pattern("a.io/* | b.io/*")), {"": ["a.io/*", "b.io/*"]}, set()),
        (kyverno(pattern("a.io/*", "containers")), ONLY_A, NARROWER),
        (kyverno(pattern("a.io/*"), action="Audit"), ONLY_A, NARROWER),
        (kyverno(pattern("!*a.io/*")), {"": ["!*a.io/*", "!*/*a.io/*", "*"]}, set()),
        (kyverno(pattern("{{ x }}")), {"": []}, NARROWER),
        (kyverno(pattern("a.io/*"), exclude={"any": [{"resources": {"namespaces": ["sys"]}}]}), {"": ["a.io/*"],
         "sys": ["*"]}, set()),
        (kyverno(pattern("a.io/*"), exclude={"any": [{"subjects": [{"kind": "User", "name": "x"}]}]}), ONLY_A,
         NARROWER),
        (kyverno(pattern("a.io/*"), exclude={"any": [{"resources": {"kinds": ["Job"], "namespaces": ["sys"]}}]}),
         ONLY_A,
         NARROWER),
        (kyverno(pattern("a.io/*"), match={"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["one"]}}]}),
         {"": ["*"], "one": ["a.io/*"]}, set()),
        (kyverno(pattern("a.io/*"), match={"any": [{"resources": {"kinds": ["Pod"], "selector": {}}}]}), ONLY_A,
         NARROWER),
        (kyverno(pattern("a.io/*"), preconditions={"all": []}), ONLY_A, NARROWER),
        (kyverno(deny(REGISTRIES, "AnyNotIn", ["a.io", "b.io"])), {"": ["a.io/*", "b.io/*"]}, set()),
        (kyverno(deny(REGISTRIES, "AnyNotIn", ["docker.io"])), {"": ["docker.io/*"]}, NARROWER),
        (kyverno(deny("{{ images.containers.*.registry }}", "AnyIn", ["a.io"])), {"": ["!a.io/*", "*"]},
         NARROWER),
        (kyverno(deny(REGISTRIES, "AllNotIn", ["a.io"])), ONLY_A, NARROWER),
        (kyverno(deny(REGISTRIES, "NotEquals", "a.io")), {"": []}, NARROWER),
        (kyverno(deny(REGISTRIES, "Equals", "a.io")), {"": []}, NARROWER),
        (kyverno(pattern("a.io/* & !*:latest")), {"": ["!*:latest", "a.io/*"]}, set()),
        (kyverno({"foreach": [{**FOREACH, "deny": {"conditions": {"all": [
            {"key": "{{ element.image }}", "operator": "NotEquals", "value": "a.io/*"},
            {"key": "{{element.image}}", "operator": "AnyNotIn", "value": ["b.io/*"]}]}}}]}),
         {"": ["a.io/*", "b.io/*"]}, set()),
        (kyverno({"foreach": [{"list": "request.object.spec.containers", "pattern": {"image": "a.io/*"}}]}), ONLY_A,
         NARROWER),
        (kyverno(deny(REGISTRIES, "AnyIn", ["docker.io"])), {"": []}, NARROWER),
        (kyverno(deny(REGISTRIES, "AnyNotIn", "{{ cm.data.x }}")), {"": []}, NARROWER),
        (kyverno({"foreach": [{**FOREACH, "pattern": {"image": "a.io/*"}}]}), ONLY_A, set()),
        (kyverno({"foreach": [{**FOREACH, **deny("{{ element.image }}", "AnyNotIn", ["a.io/*"])}]}), ONLY_A, set()),
        (kyverno(CEL), ONLY_A, NARROWER),
        (kyverno(WHOLE_CEL), ONLY_A, set()),
        (kyverno(WHOLE_CEL, match={"any": [{"resources": {"kinds": ["Pod"], "operations": ["UPDATE", "CREATE"]}}]}),
         ONLY_A, set()),
        (kyverno(WHOLE_CEL, match={"any": [{"resources": {"kinds": ["Pod"], "operations": ["CREATE"]}}]}), ONLY_A,
         NARROWER),
        (kyverno({"cel": {**WHOLE_CEL["cel"], "variables": []}}), ONLY_A, NARROWER),
        (kyverno({"anyPattern": []}), {"": []}, NARROWER),
        (kyverno({"pattern": {"spec": {"containers": [{"image": "a.io/*", "imagePullPolicy": "Always"}],
         "initContainers": [{"image": "a.io/*"}], "ephemeralContainers": [{"image": "a.io/*"}]}}}), ONLY_A,
          {"unenforced"}),
    ],
)  # fmt: skip
def test_kyverno(document: dict[str, Any], expected: dict[str, list[str]], found: set[str]) -> None:
    text, losses = convert(document)
    assert entries(text) == expected
    assert effects(losses) == found


@pytest.mark.parametrize(
    "validate",
    [
        {"pattern": {"metadata": {"labels": {"a": "?*"}}}},
        {"pattern": {"spec": {"containers": [{"(image)": "*:latest", "imagePullPolicy": "Always"}]}}},
        {"foreach": [{"list": "request.object.spec.volumes", "pattern": {"name": "x"}}]},
        deny("{{ request.operation }}", "Equals", "DELETE"),
        {"podSecurity": {"level": "baseline"}},
    ],
)
def test_other_rules_are_named(validate: dict[str, Any]) -> None:
    lists = read_lists(yaml.safe_dump(kyverno(validate)), "f.yaml")
    assert lists.restrictions == []
    (loss,) = lists.losses
    assert loss.text == "rule r is no list of allowed images: not converted"
    assert loss.effect is Effect.UNENFORCED


def test_validating_policies() -> None:
    document = {
        "apiVersion": "policies.kyverno.io/v1alpha1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": "v"},
        "spec": {
            "validationActions": ["Deny"],
            "matchConstraints": {"resourceRules": [{"resources": ["pods"]}]},
            "variables": VARIABLES,
            "validations": [
                {"expression": "variables.allContainers.all(c, c.image.startsWith('a.io/') || c.image == 'b.io/x:1')"}
            ],
        },
    }
    assert convert(document)[1] == []
    assert entries(convert(document)[0]) == {"": ["a.io/*", "b.io/x:1"]}
    audit = {**document, "spec": {**document["spec"], "validationActions": ["Audit"], "matchConditions": []}}  # type: ignore[dict-item]
    assert effects(convert(audit)[1]) == {"narrower"}
    other = {**document, "kind": "ImageValidatingPolicy"}
    assert effects(convert(other)[1]) == {"unenforced"}


def test_what_is_not_read_is_left_out_on_request() -> None:
    text, losses = convert(kyverno(pattern("{{ x }}")), kyverno(pattern("a.io/x")), allow_wider=True)
    assert entries(text) == {"": ["a.io/x"]}
    assert {loss.effect for loss in losses} == {Effect.WIDER}


def test_comments_stay() -> None:
    text = yaml.safe_dump(constraint("K8sAllowedRepos", {"repos": ["a.io/"]})).replace(
        "    - a.io/", "    # ours\n    - a.io/  # all"
    )
    made, _ = lists_to_policies(read_lists(text, "f.yaml"), PolicyGroup.CISE)
    assert '    # ours\n    # all\n    - name: "a.io/*"\n' in made
