"""The schemas in docs/schemas: complete, true of every sample; what lint refuses they refuse where they can."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from imagegate.cli.lint.files import lint_paths
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.profile import Profile
from imagegate.documents.lint.findings import Severity
from imagegate.settings.json_schema import SCHEMAS, names, schema_text
from imagegate.settings.load import ENTRIES
from imagegate.settings.schema import camel
from tests.test_docs_configuration import BLOCK_FIELDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "schemas"
MODELINE = re.compile(r"\A# yaml-language-server: \$schema=(?P<path>\S+)\n")
SETTINGS, MASTER, CONFIG, POLICIES = SCHEMAS


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def samples() -> Iterator[tuple[Path, str]]:
    """Every sample that names its schema."""
    for path in sorted((ROOT / "config").rglob("*.yaml")):
        found = MODELINE.match(path.read_text(encoding="utf-8"))
        if found is not None:
            target = (path.parent / found["path"]).resolve()
            assert target.parent == FOLDER
            yield path, target.name


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_file_is_what_the_readers_make(name: str) -> None:
    """Otherwise: ``python -m imagegate.settings.json_schema docs/schemas``."""
    assert (FOLDER / name).read_text(encoding="utf-8") == schema_text(name)
    jsonschema.Draft202012Validator.check_schema(schema(name))


def test_no_field_is_missing() -> None:
    assert {entry.dotted for entry in ENTRIES} <= set(names(schema(SETTINGS)))
    block = schema(MASTER)["properties"]["imagePolicyConfig"]["properties"]
    assert set(block) == set(BLOCK_FIELDS)
    rule = schema(CONFIG)["properties"]["executionRules"]["items"]["properties"]
    assert {camel(name) for name in ExecutionRule.__dataclass_fields__} - {"writtenEmpty"} == set(rule)


@pytest.mark.parametrize("path, name", list(samples()), ids=lambda each: str(each).rpartition("config/")[2])
def test_every_sample_follows_its_schema(path: Path, name: str) -> None:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        jsonschema.validate(document, schema(name))


def test_samples_name_their_schemas() -> None:
    assert {name for _, name in samples()} >= set(SCHEMAS)


POLICY = (
    "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: p}\n"
    "spec: {repositories: [{name: x, policy: {mutateImage: false}}]}\n"
)
RULES = "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{name: a, matchRegistries: [a.io]}]\n"
MASTER_TEXT = "kind: MasterConfig\nimagePolicyConfig: {allowedRegistriesForImport: [{domainName: a.io}]}\n"
DEFAULT = "{kind: DefaultAdmissionConfig, apiVersion: v1, disable: false}"
SETTINGS_TEXT = "importGate: {mode: warn}\nserver: {port: 8080}\n"


@pytest.mark.parametrize(
    "name, text, before, after",
    [
        (POLICIES, POLICY, "mutateImage: false", "mutateImage: 'no'"),
        (POLICIES, POLICY, "mutateImage", "mutateimage"),
        (POLICIES, POLICY, "name: x", "name: 5"),
        (POLICIES, POLICY, "repositories", "repository"),
        (POLICIES, POLICY, "{name: p}", "{}"),
        (POLICIES, POLICY, "mutateImage: false", "simple: {requirements: [{type: signed}]}"),
        (POLICIES, POLICY, "mutateImage: false", "simple: {requirements: [{type: reject, signedIdentity: {type: x}}]}"),
        (CONFIG, RULES, "matchRegistries", "matchRegistry"),
        (CONFIG, RULES, "[a.io]", "a.io"),
        (CONFIG, RULES, "name: a", "name: a, mode: wrn"),
        (CONFIG, RULES, "apiVersion: v1", "apiVersion: v2"),
        (CONFIG, RULES, "executionRules", "resolveImages: Sometimes\nexecutionRules"),
        (MASTER, MASTER_TEXT, "domainName: a.io", "domain: a.io"),
        (MASTER, MASTER_TEXT, "domainName: a.io", "domainName: a.io, insecure: 'yes'"),
        (MASTER, MASTER_TEXT, "allowedRegistriesForImport", "allowedRegistries"),
        (MASTER, MASTER_TEXT, "imagePolicyConfig", "imageConfig: {latest: true}\nimagePolicyConfig"),
        (SETTINGS, SETTINGS_TEXT, "mode: warn", "mode: wrn"),
        (SETTINGS, SETTINGS_TEXT, "port: 8080", "port: 80800"),
        (SETTINGS, SETTINGS_TEXT, "port: 8080", "prot: 8080"),
        (SETTINGS, SETTINGS_TEXT, "port: 8080", "port: 80.5"),
        (SETTINGS, SETTINGS_TEXT, "mode: warn", "namespaces: [{selector: {}}]"),
        (SETTINGS, SETTINGS_TEXT, "server:", "registry: {mirrors: [{source: a}]}\nserver:"),
    ],
)
def test_what_lint_refuses_is_refused(name: str, text: str, before: str, after: str, tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema(name))
    for written, is_valid in ((text, True), (text.replace(before, after, 1), False)):
        (tmp_path / "file.yaml").write_text(written)
        errors = [each for each in lint_paths([tmp_path], Profile.DOCUMENTED) if each.severity is Severity.ERROR]
        assert (not errors) is is_valid, errors
        assert validator.is_valid(yaml.safe_load(written)) is is_valid


@pytest.mark.parametrize(
    "name, text",
    [
        (SETTINGS, "store: kubernetes\ncluster: {}\n"),
        (SETTINGS, "registry: {tokenRealms: {a.io: [b.io]}, certificates: {a.io: {caFile: x}}}\n"),
        (SETTINGS, "cise:\n"),
        (MASTER, "admissionConfig: {pluginConfig: {openshift.io/ImagePolicy: {location: x.yaml}, Other: 5}}\n"),
        (MASTER, f"admissionConfig: {{pluginConfig: {{AlwaysPullImages: {{configuration: {DEFAULT}}}}}}}\nx: 1\n"),
        (POLICIES, "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"),
    ],
)  # fmt: skip
def test_other_forms_are_accepted(name: str, text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), schema(name))
