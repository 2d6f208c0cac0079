"""Policies as lint, the API server with the definitions of this project, and the guard judge them: a table.

What lint calls an error the API server refuses by itself, by schema or CEL. Where CEL cannot say it the row has the
reason, and the guard refuses. What ran on clusters of IBM is admitted.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.cli.main import main
from imagegate.documents.image_policies import Reading
from imagegate.documents.lint.findings import Severity
from imagegate.documents.lint.one_policy import lint_policy_object
from tests.cluster.control_plane import ControlPlane
from tests.support.processes import wait_until
from tests.support.service import ROOT, serving

BASE = ROOT / "openshift/base"
VECTORS = ROOT / "tests/vectors/upstream"
NAMESPACE, LABEL = "default", "validation"
GROUPS = ("portieris.cloud.ibm.com/v1", "securityenforcement.admission.cloud.ibm.com/v1beta1")
KINDS = {"ClusterImagePolicy": "clusterimagepolicies", "ImagePolicy": "imagepolicies"}
EVERY_KIND = [(group, kind) for group in GROUPS for kind in KINDS]
UNDECLARED = "CEL sees declared fields only; unknown ones are stored so that their author hears of them"
PRUNED = "the API server drops the field before anybody sees the object, if the client does not ask for strict reading"
BUDGET = "a search in a string, for 10,000 entries with 32 requirements each, is beyond the API server's budget"
SAME_AS_UPSTREAM = "the original's definition requires it too; in a file the empty type is the default"
PRUNED_NULL = "the API server reads a null as a missing field"


@dataclass(frozen=True, slots=True)
class Row:
    """A policy by its entries (YAML) and what is said about it; an empty text: nothing is wrong."""

    name: str
    entries: str
    lint: str
    api: str
    reason: str = ""
    """Why the API server does not say what lint does, or the other way round."""


def trust(text: str) -> str:
    return f"[{{name: a/*, policy: {{trust: {{{text}}}}}}}]"


def simple(text: str) -> str:
    return f"[{{name: a/*, policy: {{simple: {{{text}}}}}}}]"


def signed_by(identity: str) -> str:
    return simple(f"requirements: [{{type: signedBy, keySecret: k, signedIdentity: {{{identity}}}}}]")


URL = "expecting https:// or http:// URL"
TYPES = "expected one of insecureAcceptAnything, reject, signedBy"
FORMAT = "Invalid format of docker"
ROWS = (
    # of the schema
    Row("entries are no list", "{a: b}", "repositories: expected a list", 'must be of type array: "object"'),
    Row("an entry is null", "[null]", r"\[0\]: is null", 'must be of type object: "null"'),
    Row("an entry is a string", "[a/*]", r"\[0\]: expected a mapping", 'must be of type object: "string"'),
    Row("a name is a number", "[{name: 5}]", "name: expected string", 'must be of type string: "integer"'),
    Row("a policy is a list", "[{name: a, policy: []}]", "policy: expected a mapping", "must be of type object"),
    Row("a flag is a string", trust('enabled: "yes"'), "enabled: expected bool", 'must be of type boolean: "string"'),
    Row("mutateImage", '[{name: a, policy: {mutateImage: "no"}}]', "mutateImage: expected bool", "of type boolean"),
    Row("va", "[{name: a, policy: {va: {enabled: 1}}}]", "enabled: expected bool", "of type boolean"),
    Row(
        "an account",
        "[{name: a, policy: {vulnerability: {ICCRVA: {account: 5}}}}]",
        "account: expected string",
        "of type string",
    ),
    Row(
        "no type", simple("requirements: [{keySecret: k}]"), "type: required", r"requirements\[0\].type: Required value"
    ),
    Row("an empty type", simple('requirements: [{type: ""}]'), "type: required", 'Unsupported value: ""'),
    Row("a misspelt type", simple("requirements: [{type: signdBy}]"), TYPES, 'Unsupported value: "signdBy"'),
    Row("a null as requirement", simple("requirements: [null]"), "is null", 'must be of type object: "null"'),
    Row("an identity", signed_by("type: matchexact"), "expected one of matchExact", 'Unsupported value: "matchexact"'),
    Row("a signer is null", trust("signerSecrets: [null]"), "is null", 'must be of type object: "null"'),
    # of CEL
    Row(
        "a signer without a name", trust("signerSecrets: [{}]"), "name: required", "a signer needs the name of a Secret"
    ),
    Row("a signer with an empty name", trust('signerSecrets: [{name: ""}]'), "name: required", "needs the name"),
    Row("signedBy without a key", simple("requirements: [{type: signedBy}]"), "KeySecret missing", "KeySecret missing"),
    Row(
        "signedBy with an empty key beside a good one",
        simple('requirements: [{type: signedBy, keySecret: k}, {type: signedBy, keySecret: ""}]'),
        "KeySecret missing",
        r"requirements\[1\].keySecret: Required value: KeySecret missing in signedBy requirement",
    ),
    Row("matchExactReference", signed_by("type: matchExactReference"), FORMAT, "needs dockerReference"),
    Row("exactReference", signed_by('type: exactReference, dockerReference: ""'), FORMAT, "needs dockerReference"),
    Row("matchExactRepository", signed_by("type: matchExactRepository"), FORMAT, "needs dockerRepository"),
    Row("exactRepository", signed_by('type: exactRepository, dockerRepository: ""'), FORMAT, "needs dockerRepository"),
    Row(
        "remapIdentity",
        signed_by("type: remapIdentity, signedPrefix: a.io/b"),
        'prefix ""',
        "remapIdentity needs prefix",
    ),
    Row("remapIdentity to", signed_by("type: remapIdentity, prefix: a.io/b"), 'prefix ""', "needs signedPrefix"),
    Row("trustServer without a scheme", trust("enabled: true, trustServer: notary.example.com"), URL, URL),
    Row("trustServer of a file", trust('enabled: true, trustServer: "file:///x"'), URL, URL),
    Row("storeURL", simple("storeURL: sigs.example.com, requirements: [{type: reject}]"), URL, URL),
    # neither of the schema nor of CEL
    Row("an unknown field of an entry", "[{name: a/*, polcy: {}}]", 'did you mean "policy"', "", UNDECLARED),
    Row("an unknown check", "[{name: a/*, policy: {trsut: {}}}]", 'did you mean "trust"', "", UNDECLARED),
    Row("an unknown field of a check", trust("enabledd: true"), 'did you mean "enabled"', "", PRUNED),
    Row("a reference without a tag", signed_by("type: exactReference, dockerReference: a.io/b"), "neither", "", BUDGET),
    Row("no reference", signed_by("type: exactReference, dockerReference: A.io/B:1"), FORMAT, "", BUDGET),
    Row("no repository", signed_by("type: exactRepository, dockerRepository: a b"), FORMAT, "", BUDGET),
    Row("no prefix", signed_by('type: remapIdentity, prefix: "a.io/b/", signedPrefix: c'), "is not valid", "", BUDGET),
    Row("an identity without a type", signed_by(""), "", "signedIdentity.type: Required value", SAME_AS_UPSTREAM),
    # nothing wrong, or nothing that the original did not let pass
    Row("no entries", "[]", "", ""),
    Row("null entries", "null", "", "", PRUNED_NULL),
    Row("an entry that matches nothing", '[{name: ""}, {}, {name: "a b"}]', "", ""),
    Row("nulls", "[{name: a, policy: null}, {name: b, policy: {trust: null, simple: null, va: null}}]", "", ""),
    Row("a null flag", trust("enabled: null, trustServer: x"), "", ""),
    Row("a server that nobody asks", trust("enabled: false, trustServer: notary.example.com"), "", ""),
    Row("a trust server by HTTP", trust('enabled: true, trustServer: "http://notary.example.com"'), "", ""),
    Row("a trust server in capitals", trust('enabled: true, trustServer: "HTTPS://notary.example.com"'), "", ""),
    Row("a store that nobody asks", simple("storeURL: sigs.example.com, requirements: []"), "", ""),
    Row("a store by HTTP", simple('storeURL: "http://s.example.com", requirements: [{type: reject}]'), "", ""),
    Row(
        "an identity that nobody asks",
        simple("requirements: [{type: reject, signedIdentity: {type: remapIdentity}}]"),
        "",
        "",
    ),
    Row("a key that nobody asks", simple('requirements: [{type: insecureAcceptAnything, keySecret: ""}]'), "", ""),
    Row("the empty identity", signed_by('type: ""'), "", ""),
    Row("a whole identity", signed_by("type: remapIdentity, prefix: a.io/b, signedPrefix: c.io/d"), "", ""),
    Row(
        "32 requirements", simple(f"requirements: {json.dumps([{'type': 'signedBy', 'keySecret': 'k'}] * 32)}"), "", ""
    ),
)


def policy(group: str, kind: str, entries: Any, *, name: str = "validated", **labels: str) -> dict[str, Any]:
    where = {"namespace": NAMESPACE} if kind == "ImagePolicy" else {}
    metadata = {"name": name, **where, **({"labels": labels} if labels else {})}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {"repositories": entries}}


def errors_of_lint(document: dict[str, Any]) -> str:
    findings, _ = lint_policy_object(document, Reading(namespace=NAMESPACE))
    return "\n".join(f"{each.path}: {each.text}" for each in findings if each.severity is Severity.ERROR)


@dataclass(frozen=True, slots=True)
class Api:
    """The API server with the definitions; nothing is stored."""

    plane: ControlPlane

    def refusal(self, document: dict[str, Any], *, strict: bool = False) -> str:
        """Why it refuses to create an object; empty if it does not."""
        status, said = self.create(document, strict=strict)
        assert status in (201, 400, 403, 422), said
        return "" if status == 201 else said

    def create(self, document: dict[str, Any], *, strict: bool = False) -> tuple[int, str]:
        group, kind = document["apiVersion"], document["kind"]
        where = f"/namespaces/{NAMESPACE}" if kind == "ImagePolicy" else ""
        query = {"dryRun": "All", "fieldValidation": "Strict" if strict else "Ignore"}
        path = f"/apis/{group}{where}/{KINDS[kind]}?{urllib.parse.urlencode(query)}"
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.plane.api_server.port, context=self.plane.context(), timeout=60
        )
        try:
            connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, str(json.loads(answer.read()).get("message", ""))
        finally:
            connection.close()


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    plane.kubectl("apply", "-f", BASE / "crds")
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    found = Api(plane)
    for group, kind in EVERY_KIND:
        wait_until(lambda: found.create(policy(group, kind, []))[0] == 201, "the kind to be served")  # noqa: B023
    yield found
    plane.kubectl("delete", "--ignore-not-found", "-f", BASE / "crds")


@pytest.fixture(scope="module")
def guard(api: Api) -> Iterator[Api]:
    """The API server, which asks the guard about objects with a label."""
    plane = api.plane
    name = f"{LABEL}-policies"
    with tempfile.TemporaryDirectory(prefix="validation-") as folder:
        settings = Path(folder) / "imagegate.yaml"
        cluster = {"kubeconfig": str(plane.kubectl.configuration), "policies": True}
        settings.write_text(yaml.safe_dump({"cluster": cluster}), encoding="utf-8")
        issued = plane.ca.server
        tls = ("--tls-cert", issued.certificate, "--tls-key", issued.key)
        with serving(Path(folder), "--settings", settings, *tls, context=plane.context()) as service:
            wait_until(lambda: service.get("/readyz").status == 200, "the service to be ready")
            configuration = yaml.safe_load((BASE / "webhooks/policies.yaml").read_text(encoding="utf-8"))
            configuration["metadata"]["name"] = name
            (webhook,) = configuration["webhooks"]
            webhook["failurePolicy"] = "Fail"
            webhook["objectSelector"] = {"matchLabels": {LABEL: "guard"}}
            webhook["clientConfig"] = {
                "url": f"https://127.0.0.1:{service.running.port}{webhook['clientConfig']['service']['path']}",
                "caBundle": base64.b64encode(plane.ca.bundle.read_bytes()).decode(),
            }
            plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(configuration))
            probe = policy(GROUPS[0], "ImagePolicy", [{"name": "a/*", "polcy": {}}], **{LABEL: "guard"})
            wait_until(lambda: api.refusal(probe) != "", "the API server to ask the guard")
            try:
                yield api
            finally:
                plane.kubectl("delete", "validatingwebhookconfiguration", name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("group, kind", EVERY_KIND)
class TestTable:
    def test_lint(self, row: Row, group: str, kind: str) -> None:
        said = errors_of_lint(policy(group, kind, yaml.safe_load(row.entries)))
        assert bool(said) == bool(row.lint), said
        assert re.search(row.lint, said)

    def test_the_api_server(self, api: Api, row: Row, group: str, kind: str) -> None:
        said = api.refusal(policy(group, kind, yaml.safe_load(row.entries)))
        assert bool(said) == bool(row.api), said
        assert re.search(row.api, said)


def test_a_difference_between_lint_and_the_api_server_has_a_reason() -> None:
    assert [row.name for row in ROWS if bool(row.lint) != bool(row.api) and not row.reason] == []


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.lint and not row.api and row.reason != PRUNED], ids=lambda row: row.name
)
@pytest.mark.parametrize("group, kind", EVERY_KIND)
def test_what_cel_cannot_say_the_guard_refuses(guard: Api, row: Row, group: str, kind: str) -> None:
    said = guard.refusal(policy(group, kind, yaml.safe_load(row.entries), **{LABEL: "guard"}))
    assert "denied the request" in said
    assert re.search(row.lint, said)


@pytest.mark.parametrize("group, kind", EVERY_KIND)
def test_what_would_be_dropped_is_refused_for_clients_that_ask_for_strict_reading(
    api: Api, group: str, kind: str
) -> None:
    """As kubectl does."""
    (row,) = [row for row in ROWS if row.reason == PRUNED]
    assert "unknown field" in api.refusal(policy(group, kind, yaml.safe_load(row.entries)), strict=True)


def test_one_object_hears_of_all_its_mistakes(api: Api) -> None:
    requirements = "[{type: signedBy}, {type: signedBy, keySecret: k, signedIdentity: {type: remapIdentity}}]"
    entries = yaml.safe_load(simple(f"storeURL: x, requirements: {requirements}"))
    said = api.refusal(policy(GROUPS[0], "ImagePolicy", entries))
    for path in ("storeURL", "requirements[0].keySecret", "signedIdentity.prefix", "signedIdentity.signedPrefix"):
        assert f"{path}: " in said


def test_an_object_of_before_the_rules_can_be_labelled_corrected_and_deleted(api: Api) -> None:
    """Kubernetes judges only what changes."""
    kubectl, crd = api.plane.kubectl, "imagepolicies.portieris.cloud.ibm.com"
    definition = BASE / "crds" / f"{crd}.yaml"
    without = yaml.safe_load(definition.read_text(encoding="utf-8"))
    _forget_rules(without)
    kubectl("apply", "-f", "-", text_in=yaml.safe_dump(without))
    bad = policy(GROUPS[0], "ImagePolicy", yaml.safe_load(simple("requirements: [{type: signedBy}]")), name="old")
    create = ("create", "-f", "-")
    wait_until(lambda: kubectl(*create, text_in=yaml.safe_dump(bad), check=False).returncode == 0, "the old definition")
    kubectl("apply", "-f", definition)
    wait_until(lambda: "KeySecret missing" in api.refusal({**bad, "metadata": {"name": "new"}}), "the new one")
    kubectl("label", "imagepolicy", "old", "a=b")
    again = ("patch", "imagepolicy", "old", "--type=json", "-p")
    add = '[{"op": "add", "path": "/spec/repositories/-", "value": {"name": "b/*"}}]'
    assert "KeySecret missing" in kubectl(*again, add, check=False).stderr
    mend = '[{"op": "add", "path": "/spec/repositories/0/policy/simple/requirements/0/keySecret", "value": "k"}]'
    kubectl(*again, mend)
    kubectl("delete", "imagepolicy", "old")


def _forget_rules(value: Any) -> None:
    if isinstance(value, dict):
        value.pop("x-kubernetes-validations", None)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _forget_rules(each)


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """The policies of the samples and of the pages."""
    files = [*(ROOT / "config").rglob("*.yaml"), *(ROOT / "docs").rglob("*.md")]
    for file in sorted(files):
        text = file.read_text(encoding="utf-8")
        blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE) if file.suffix == ".md" else [text]
        for block in blocks:
            if "ImagePolicy" not in block:
                continue
            for document in yaml.safe_load_all(block.replace("<<CLUSTER DOMAIN>>", "mycluster.icp")):
                if isinstance(document, dict) and document.get("apiVersion") in GROUPS and document["kind"] in KINDS:
                    yield f"{file.relative_to(ROOT)} {document['metadata']['name']}", document


DOCUMENTS = list(_documents())


def test_samples_and_pages_have_policies() -> None:
    assert len(DOCUMENTS) >= 15


@pytest.mark.parametrize("document", [pytest.param(each, id=name) for name, each in DOCUMENTS])
def test_a_policy_of_the_samples_and_pages_is_admitted(api: Api, document: dict[str, Any]) -> None:
    if document["kind"] == "ImagePolicy":
        document = {**document, "metadata": {"name": document["metadata"]["name"]}}
    assert api.refusal(document, strict=True) == ""


@pytest.mark.parametrize("target", ["portieris", "cise"])
@pytest.mark.parametrize("sample", ["cluster-policy", "gatekeeper", "kyverno"])
def test_what_convert_writes_is_admitted(api: Api, sample: str, target: str, tmp_path: Path) -> None:
    main(
        [
            "convert",
            "--to",
            target,
            str(ROOT / f"config/examples/convert/{sample}.yaml"),
            "--output-folder",
            str(tmp_path),
        ]
    )
    written = list(_policies_in(tmp_path))
    assert written
    assert [said for document in written if (said := api.refusal(document, strict=True))] == []


@pytest.mark.parametrize("options", [(), ("--image-policy", "-n", "team", "--store-url", "https://s.example.com")])
def test_what_key_create_writes_is_admitted(api: Api, options: tuple[str, ...], tmp_path: Path) -> None:
    assert main(["key", "create", "registry.example.com/*", "--out", str(tmp_path), *options]) == 0
    (document,) = _policies_in(tmp_path)
    assert api.refusal(document, strict=True) == ""


def _policies_in(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if document is not None and document["kind"] in KINDS:
                document["metadata"].pop("namespace", None)
                yield document


@pytest.mark.parametrize("group, kind", EVERY_KIND)
def test_the_names_and_identities_of_the_vectors_are_admitted(api: Api, group: str, kind: str) -> None:
    """Those of the original's own runs; what it answered with an error about its policy is left out."""
    entries: list[dict[str, Any]] = []
    for vector in _vectors("cise_select"):
        for each in (*vector["image_policies"], *vector["cluster_image_policies"]):
            entries += [{"name": name} for name in each["repositories"]]
    for vector in _vectors("cise_wildcard"):
        entries += [{"name": name} for key, name in vector.items() if key in ("pattern", "name")]
    identities: list[dict[str, Any]] = []
    for vector in _vectors("cise_identity"):
        if (vector.get("imagegate") or vector)["error"] is None:
            fields = {"docker_reference": "dockerReference", "docker_repository": "dockerRepository"}
            fields |= {"type": "type", "prefix": "prefix", "signed_prefix": "signedPrefix"}
            identities.append({theirs: vector[ours] for ours, theirs in fields.items() if ours in vector})
    assert len(entries) > 500
    assert len(identities) > 300
    for first in range(0, len(identities), 32):
        some = identities[first : first + 32]
        requirements = [{"type": "signedBy", "keySecret": "k", "signedIdentity": each} for each in some]
        entries.append({"name": "a/*", "policy": {"simple": {"requirements": requirements}}})
    assert api.refusal(policy(group, kind, entries), strict=True) == ""


def _vectors(family: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / f"{family}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_ten_thousand_entries_are_admitted(api: Api) -> None:
    """As many as the other tests of size have."""
    entries = [{"name": f"registry-{number}.example.com/*"} for number in range(10_000)]
    assert api.refusal(policy(GROUPS[0], "ClusterImagePolicy", entries)) == ""
    signed = yaml.safe_load(simple("requirements: [{type: signedBy, keySecret: k}]"))
    assert api.refusal(policy(GROUPS[0], "ClusterImagePolicy", signed * 5_000)) == ""
