"""Lint: every code has a configuration that gets it and a near twin that does not.

Source: docs/spec/image-policy.md 1.4, 1.7.
"""

from __future__ import annotations

import pytest

from imagegate.core.profile import Profile
from imagegate.documents.lint.execution_rules import registry_problem
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.lint import lint
from imagegate.documents.lint.remarks import findings_of_error
from imagegate.documents.master_config import read_config
from imagegate.errors import InvalidPolicy
from tests.documents.test_master_config import Files

DOCUMENTED, EXACT = Profile.DOCUMENTED, Profile.OPENSHIFT_4
BLOCK = "imagePolicyConfig:\n  internalRegistryHostname: reg:5000\n"
KIND = "kind: ImagePolicyConfig, apiVersion: image.openshift.io/v1"
POLICY_HEAD = "admissionConfig:\n  pluginConfig:\n    image.openshift.io/ImagePolicy:\n      configuration:\n        "
KEEP = "{name: keep, matchRegistries: [keep.io]}"


def findings(text: str, profile: Profile = DOCUMENTED) -> list[Finding]:
    return lint(read_config(text, "m.yaml", profile, Files()), profile)


def of_rules(*rules: str, profile: Profile = DOCUMENTED, rest: str = BLOCK, more: str = "") -> dict[str, Finding]:
    listed = ", ".join(rules)
    text = f"{POLICY_HEAD}{{{KIND}, executionRules: [{listed}]{more}}}\n{rest}"
    return {finding.code: finding for finding in findings(text, profile)}


def of_imports(*entries: str, profile: Profile = DOCUMENTED, more: str = "") -> dict[str, Finding]:
    listed = "".join(f"  - {entry}\n" for entry in entries)
    text = f"kind: MasterConfig\nimagePolicyConfig:\n{more}  allowedRegistriesForImport:\n{listed}"
    return {f.code: f for f in findings(text, profile) if f.code.startswith("import") or f.code == "empty-import-list"}


@pytest.mark.parametrize(
    "rule, code, twin",
    [
        ("{matchRegistries: [a.io]}", "nameless-rule", "{name: r, matchRegistries: [a.io]}"),
        ("{name: r, matchRegistries: [https://a.io]}", "registry-scheme", "{name: r, matchRegistries: [a.io]}"),
        ("{name: r, matchRegistries: [a.io/b]}", "registry-path", "{name: r, matchRegistries: [a.io]}"),
        ("{name: r, matchRegistries: ['*.a.io']}", "registry-pattern", "{name: r, matchRegistryPatterns: ['*.a.io']}"),
        ("{name: r, matchRegistries: [different]}", "registry-never", "{name: r, matchRegistries: ['different:5000']}"),
        ("{name: r, matchRegistries: [Quay.io]}", "registry-upper-case", "{name: r, matchRegistries: [quay.io]}"),
        ("{name: r, matchRegistries: [a.io.]}", "registry-never", "{name: r, reject: true, matchRegistries: [a.io.]}"),
        ("{name: r, matchRegistries: ['a.io:x']}", "registry-never", "{name: r, matchRegistries: ['a.io:1']}"),
        ("{name: r, reject: true, matchRegistries: ['a..b.io']}", "registry-never",
         "{name: r, reject: true, matchRegistries: [a-b.io]}"),
        ("{name: r, matchRegistries: ['a.io:443']}", "registry-spelling",
         "{name: r, reject: true, matchRegistries: ['a.io:443']}"),
        ("{name: r, matchRegistries: ['a.io:050']}", "registry-spelling", "{name: r, matchRegistries: ['a.io:50']}"),
        ("{name: r, matchRegistryPatterns: ['*.a.io.']}", "registry-never",
         "{name: r, reject: true, matchRegistryPatterns: ['*.a.io.']}"),
        ("{name: r, matchRegistryPatterns: ['*.a.io/b']}", "registry-never",
         "{name: r, matchRegistryPatterns: ['?.a.io:*']}"),
        ("{name: r, matchImageAnnotations: [{key: k, value: a}, {key: k, value: b}]}", "matches-nothing",
         "{name: r, matchImageAnnotations: [{key: k, value: a}, {key: l, value: b}]}"),
        ("{name: r, matchImageLabels: [{matchLabels: {a: b}, matchExpressions: [{key: a, operator: DoesNotExist}]}]}",
         "matches-nothing",
         "{name: r, matchImageLabels: [{matchLabels: {a: b}, matchExpressions: [{key: a, operator: Exists}]}]}"),
        ("{name: r, matchRegistries: [a.io, a.io]}", "registry-duplicate", "{name: r, matchRegistries: [a.io, b.io]}"),
        ("{name: r}", "accepts-everything", "{name: r, matchRegistries: [a.io]}"),
        ("{name: r, invertMatch: true}", "matches-nothing", "{name: r, invertMatch: true, matchRegistries: [a.io]}"),
        ("{name: r, reject: true, onResources: [{resource: builds}]}", "rejects-everything",
         "{name: r, reject: true, onResources: [{resource: builds}], matchRegistries: [a.io]}"),
        ("{name: r, reject: true, matchImageAnnotations: [{key: k}]}", "reject-unresolved-passes",
         "{name: r, reject: true, matchImageAnnotations: [{key: k}], skipOnResolutionFailure: true}"),
        ("{name: r, reject: true}", "lockout", "{name: r, reject: true, mode: warn}"),
        ("{name: r, onResources: [{resource: nodes}], matchRegistries: [a.io]}", "resource-unknown",
         "{name: r, onResources: [{resource: builds}], matchRegistries: [a.io]}"),
        ("{name: r, onResources: [{group: apps, resource: '*'}], matchRegistries: [a.io]}", "resource-wildcard",
         "{name: r, onResources: [{group: apps, resource: deployments}], matchRegistries: [a.io]}"),
    ],
)  # fmt: skip
def test_one_rule(rule: str, code: str, twin: str) -> None:
    found = of_rules(rule, KEEP)[code]
    assert found.path.startswith("executionRules[0]")
    assert (found.file, found.line) == ("m.yaml", 5)
    assert code not in of_rules(twin, KEEP)


def test_what_openshift_4_does_not_do_is_a_warning_there() -> None:
    builds = "{name: r, onResources: [{resource: builds}], matchRegistries: [a.io]}"
    assert "resource-group" in of_rules(builds, profile=EXACT)
    assert "resource-group" not in of_rules(builds)
    assert "resource-group" not in of_rules(
        builds.replace("resource: builds", "group: build.openshift.io, resource: builds")
    )
    wildcard = "{name: r, onResources: [{resource: '*'}], matchRegistries: [a.io]}"
    assert of_rules(wildcard, profile=EXACT)["resource-wildcard"].severity is Severity.WARNING
    assert of_rules(wildcard)["resource-wildcard"].severity is Severity.INFO
    evadable = "{name: r, reject: true, matchRegistries: [docker.io]}"
    assert "reject-evadable" in of_rules(evadable, profile=EXACT)
    assert "reject-evadable" not in of_rules(evadable)
    every = "{name: r, reject: true, matchRegistries: [docker.io, index.docker.io, registry-1.docker.io, '']}"
    assert "reject-evadable" not in of_rules(every, profile=EXACT)
    upper = "{name: r, reject: true, matchRegistries: [Quay.io]}"
    assert "registry-upper-case" in of_rules(upper, profile=EXACT)
    assert "registry-upper-case" not in of_rules(upper)


WIDE = "{name: wide, reject: true, matchRegistries: [a.io, b.io]}"


@pytest.mark.parametrize(
    "first, second, code, twin",
    [
        (WIDE, "{name: r, matchRegistries: [a.io]}", "unreachable-rule", "{name: r, matchRegistries: [c.io]}"),
        (WIDE, "{name: r, matchRegistries: [a.io], matchIntegratedRegistry: true}", "unreachable-rule",
         "{name: r, matchRegistries: [a.io], onResources: [{resource: builds}]}"),
        (WIDE, "{name: r, reject: true, matchRegistries: [b.io]}", "redundant-rule",
         "{name: r, reject: true, matchRegistries: [b.io], ignoreNamespaceOverride: true}"),
        (WIDE, "{name: r, reject: true, matchRegistries: [a.io], matchIntegratedRegistry: true}", "redundant-rule",
         "{name: r, reject: true, matchRegistries: [a.io], invertMatch: true}"),
        ("{name: all}", "{name: r, matchRegistries: [a.io]}", "redundant-rule",
         "{name: r, matchRegistries: [a.io], onResources: [{resource: builds}]}"),
        ("{name: s, reject: true, matchRegistries: [a.io], skipOnResolutionFailure: true}",
         "{name: r, matchRegistries: [a.io], matchImageAnnotations: [{key: k}]}", "unreachable-rule",
         "{name: r, matchRegistries: [a.io]}"),
        ("{name: l, reject: true, matchImageAnnotations: [{key: k}]}",
         "{name: r, matchImageAnnotations: [{key: k}, {key: m}]}", "unreachable-rule",
         "{name: r, matchImageAnnotations: [{key: m}]}"),
        ("{name: p, reject: true, matchRegistryPatterns: ['*.io']}", "{name: r, matchRegistryPatterns: ['*.io']}",
         "unreachable-rule", "{name: r, matchRegistryPatterns: ['*.org']}"),
    ],
)  # fmt: skip
def test_rules_that_another_makes_useless(first: str, second: str, code: str, twin: str) -> None:
    elsewhere = "{name: elsewhere, onResources: [{group: batch, resource: jobs}], matchRegistries: [keep.io]}"
    for order in ((first, second, elsewhere), (second, first, elsewhere)):
        found = of_rules(*order)[code]
        assert found.path == f"executionRules[{order.index(second)}]"
    assert code not in of_rules(first, twin)


def test_of_two_equal_rules_only_the_later_is_redundant() -> None:
    found = of_rules("{name: a, matchRegistries: [a.io]}", "{name: b, matchRegistries: [a.io]}")["redundant-rule"]
    assert found.path == "executionRules[1]"


def test_policies_that_lock_everything_out_are_errors() -> None:
    every = of_rules("{name: r, reject: true}")["lockout"]
    assert every.severity is Severity.ERROR
    none = of_rules("{name: r, matchRegistries: [different]}", "{name: s, invertMatch: true}")["lockout"]
    assert "no accept rule for pods can match" in none.text
    assert "lockout" not in of_rules("{name: r, matchRegistries: [different, a.io]}")
    assert "lockout" not in of_rules("{name: r, matchRegistries: [different], matchRegistryPatterns: ['*']}")


def test_resolution_rules() -> None:
    more = ", resolutionRules: [{targetResource: {resource: pods}}, {targetResource: {resource: pods}}, %s]"
    found = of_rules(KEEP, more=more % "{targetResource: {resource: nodes}}")
    assert found["resolution-duplicate"].path == "resolutionRules[1].targetResource"
    assert found["resolution-unknown-resource"].path == "resolutionRules[2].targetResource"
    fine = more % "{targetResource: {group: apps, resource: '*'}}, {targetResource: {resource: builds}}"
    assert "resolution-unknown-resource" not in of_rules(KEEP, more=fine)
    assert "resolution-unknown-resource" in of_rules(KEEP, more=fine, profile=EXACT)


def test_the_integrated_registry_must_have_a_name_to_be_matched_by_it() -> None:
    rule = "{name: r, matchIntegratedRegistry: true}"
    assert "no-integrated-registry" in of_rules(rule, rest="")
    assert "no-integrated-registry" not in of_rules(rule)
    config = read_config(f"{POLICY_HEAD}{{{KIND}, executionRules: [{rule}]}}\n", "m", EXACT, Files())
    codes = [finding.code for finding in lint(config, EXACT, has_integrated_registry=True)]
    assert "no-integrated-registry" not in codes
    assert "no-integrated-registry" in [finding.code for finding in lint(config, EXACT)]
    stand_alone = (
        "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- {name: r, matchIntegratedRegistry: true}\n"
    )
    assert findings(stand_alone) == []


@pytest.mark.parametrize(
    "image_format, warned",
    [
        ("openshift3/ose-${component}", True),
        ("registry.redhat.io/openshift3/ose", False),
        ("localhost/x", False),
        ("x", True),
    ],
)
def test_infrastructure_images_need_a_registry_where_registries_decide(image_format: str, warned: bool) -> None:
    rest = f"{BLOCK}imageConfig:\n  format: {image_format}\n"
    found = of_rules(KEEP, rest=rest)
    assert ("infrastructure-images" in found) is warned
    if warned:
        assert (found["infrastructure-images"].path, found["infrastructure-images"].line) == ("imageConfig.format", 9)
    assert "infrastructure-images" not in of_rules("{name: r, matchIntegratedRegistry: true}", rest=rest)


@pytest.mark.parametrize(
    "entry, code, twin",
    [
        ("domainName: quay.io/openshift", "import-path", "domainName: quay.io"),
        ("domainName: '?.a.io'", "import-question-mark", "domainName: '*.a.io'"),
        ("domainName: 'a.?.io'", "import-question-mark", "domainName: 'a?b.io'"),
        ("{domainName: 'a.io:5000', insecure: true}", "import-insecure-unused", "{domainName: a.io, insecure: true}"),
        ("domainName: index.docker.io", "import-hub-alias", "domainName: docker.io"),
    ],
)
def test_one_import_rule(entry: str, code: str, twin: str) -> None:
    found = of_imports("domainName: first.io", entry)[code]
    assert found.path == "imagePolicyConfig.allowedRegistriesForImport[1].domainName"
    assert found.line == 5
    assert code not in of_imports("domainName: first.io", twin)


def test_import_rules_that_say_the_same() -> None:
    duplicate = of_imports("domainName: a.io", "domainName: 'a.io:443'")["import-duplicate"]
    assert duplicate.path.endswith("[0].domainName")
    assert "import-duplicate" not in of_imports("domainName: a.io", "{domainName: a.io, insecure: true}")
    shadowed = of_imports("domainName: x.a.io", "domainName: '*.a.io'")["import-shadowed"]
    assert shadowed.path.endswith("[0].domainName")
    assert "import-shadowed" not in of_imports("domainName: a.io", "domainName: '*.a.io'")
    assert of_imports("domainName: '?a.io'", "domainName: '*a.io'")["import-shadowed"].path.endswith("[0].domainName")


def test_import_rules_that_are_read_differently_in_openshift_4() -> None:
    assert "import-upper-case" in of_imports("domainName: Quay.io", profile=EXACT)
    assert "import-upper-case" not in of_imports("domainName: Quay.io")
    assert "import-blank" in of_imports("domainName: 'a.io 1'", profile=EXACT)
    empty = "imagePolicyConfig: {allowedRegistriesForImport: []}\n"
    texts = {profile: findings(empty, profile)[0].text for profile in Profile}
    assert "only the integrated registry is allowed" in texts[DOCUMENTED]
    assert "everything may be imported" in texts[EXACT]


def test_a_secure_rule_for_a_registry_that_is_named_with_port_80() -> None:
    hostname = "  internalRegistryHostname: reg.io:80\n"
    assert "import-secure-only" in of_imports("domainName: reg.io", more=hostname)
    assert "import-secure-only" not in of_imports("domainName: reg.io")
    both = ("domainName: reg.io", "{domainName: reg.io, insecure: true}")
    assert "import-secure-only" not in of_imports(*both, more=hostname)


def test_long_lists_are_linted_in_reasonable_steps() -> None:
    rules = ", ".join(f"{{name: r{index}, matchRegistries: [r{index}.io]}}" for index in range(2000))
    text = (
        f"kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{rules}, {{name: dup, matchRegistries: [r0.io]}}]\n"
    )
    assert [finding.code for finding in findings(text)] == ["redundant-rule"]
    same = ", ".join(f"{{name: r{index}, matchRegistries: [a.io]}}" for index in range(400))
    text = f"kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{same}]\n"
    assert [finding.code for finding in findings(text)] == ["redundant-rule"] * 399


@pytest.mark.parametrize("registry", ["", "docker.io", "reg:5000", "localhost", "localhost:5000", "[::1]:5000"])
def test_registries_that_a_reference_can_have(registry: str) -> None:
    assert registry_problem(registry) is None


def test_an_error_becomes_findings_with_their_places() -> None:
    error = InvalidPolicy("m.yaml:3: a[x/y].b: bad: worse", "m.yaml:4: no path", "something else")
    assert findings_of_error(error, "m.yaml") == [
        Finding(Severity.ERROR, "m.yaml", 3, "a[x/y].b", "bad: worse", "invalid"),
        Finding(Severity.ERROR, "m.yaml", 4, "", "no path", "invalid"),
        Finding(Severity.ERROR, "m.yaml", 1, "", "something else", "invalid"),
    ]


def test_a_finding_reads_as_one_line() -> None:
    finding = Finding(Severity.WARNING, "m.yaml", 3, "a.b", "doubtful", "code")
    assert str(finding) == "m.yaml:3: warning: a.b: doubtful [code]"
    assert str(finding._replace(path="")) == "m.yaml:3: warning: doubtful [code]"


@pytest.mark.parametrize(
    "rule, twin",
    [
        ("{name: r, matchRegistries: [a.io.]}", "{name: r, matchRegistries: [a.io., a.io]}"),
        ("{name: r, matchRegistryPatterns: ['a b']}", "{name: r, matchRegistryPatterns: ['a b', 'a*b']}"),
        ("{name: r, matchRegistries: ['a.io:x'], matchIntegratedRegistry: true}", "{name: r, matchRegistries: ['']}"),
    ],
)
def test_an_accept_rule_that_can_never_match_accepts_nothing(rule: str, twin: str) -> None:
    assert "lockout" in of_rules(rule)
    assert "lockout" not in of_rules(twin)
