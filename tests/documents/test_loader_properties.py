"""Whatever the text, a loader ends in a value or in a ``ConfigError`` with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.profile import Profile
from imagegate.documents.image_policy_config import load_image_policy
from imagegate.documents.lint.lint import lint
from imagegate.documents.lint.remarks import findings_of_error
from imagegate.documents.master_config import MasterConfig, read_config
from imagegate.documents.yaml.nodes import plain
from imagegate.documents.yaml.source import BadSource, read_source
from imagegate.errors import ConfigError
from imagegate.settings.load import read_settings

PROFILES = st.sampled_from(list(Profile))
_LOCATED = re.compile(r"[^:\n]+:[0-9]+: .+", re.DOTALL)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        [
            "v1",
            "image.openshift.io/v1",
            "ImagePolicyConfig",
            "MasterConfig",
            "DefaultAdmissionConfig",
            "Attempt",
            "*",
            "pods",
        ]
    ),
)
KEYS = st.sampled_from(
    [
        "kind", "apiVersion", "resolveImages", "executionRules", "resolutionRules", "name", "reject", "onResources",
        "matchRegistries", "matchImageLabels", "matchImageAnnotations", "matchLabels", "matchExpressions", "key",
        "operator", "values", "value", "set", "targetResource", "group", "resource", "policy", "localNames",
        "admissionConfig", "pluginConfig", "openshift.io/ImagePolicy", "image.openshift.io/ImagePolicy",
        "AlwaysPullImages", "configuration", "location", "disable", "imagePolicyConfig", "allowedRegistriesForImport",
        "domainName", "insecure", "imageConfig", "format", "mode", "namespaces", "selector", "server", "port", "cise",
        "trust", "pinning", "certs", "registry", "mirrors", "imagePolicy", "extraResources", "podSpecs",
    ]
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, st.text(max_size=5)), inner, max_size=6)
    ),
    max_leaves=40,
)
NOISE = st.text(alphabet=st.sampled_from(list("{}[]:,-*&!|>'\"#%@ \n\t?<=a1~")), max_size=80)
WRITTEN = (
    "kind: MasterConfig\napiVersion: v1\nadmissionConfig:\n  pluginConfig:\n    openshift.io/ImagePolicy:\n"
    "      configuration:\n        kind: ImagePolicyConfig\n        apiVersion: v1\n        executionRules:\n"
    "        - name: a\n          reject: true\n          matchRegistries: [docker.io]\n          matchImageLabels:\n"
    "          - matchLabels: {a: b}\n        resolutionRules:\n        - targetResource: {resource: pods}\n"
    "imagePolicyConfig:\n  allowedRegistriesForImport:\n  - domainName: *.mydomain.com\n    insecure: true\n"
)


class NoFiles:
    """Referenced files of a document that stands alone."""

    def name(self, path: str) -> str:
        return f"dir/{path}"

    def read(self, path: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", path)

    def exists(self, path: str) -> bool:
        return False


def load_all(text: str, profile: Profile) -> None:
    """Every reader of a text; each ends in a value or in a located error."""
    for reader in (_read_config, _read_policy, _read_settings):
        refused = _refusal(reader, text, profile)
        if refused is not None:
            assert all(_LOCATED.fullmatch(line) for line in str(refused).split("\n")), str(refused)
            assert findings_of_error(refused, "file.yaml")


def _refusal(reader: Callable[[str, Profile], None], text: str, profile: Profile) -> ConfigError | None:
    try:
        reader(text, profile)
    except ConfigError as error:
        return error
    return None


def _read_config(text: str, profile: Profile) -> None:
    config = read_config(text, "file.yaml", profile, NoFiles())
    assert isinstance(config, MasterConfig)
    assert all(finding.line >= 1 for finding in lint(config, profile))


def _read_policy(text: str, profile: Profile) -> None:
    load_image_policy(text, "file.yaml", profile)


def _read_settings(text: str, profile: Profile) -> None:
    read_settings(read_source(text, "file.yaml").documents[0], "file.yaml")


@given(st.text(max_size=200), PROFILES)
def test_any_text(text: str, profile: Profile) -> None:
    load_all(text, profile)


@given(NOISE, PROFILES)
def test_yaml_punctuation(text: str, profile: Profile) -> None:
    load_all(text, profile)


@given(DOCUMENTS, PROFILES, st.booleans())
def test_documents_of_any_shape(document: Any, profile: Profile, as_json: bool) -> None:
    load_all(json.dumps(document) if as_json else yaml.safe_dump(document), profile)


@given(st.integers(0, len(WRITTEN)), st.integers(0, 12), NOISE, PROFILES)
def test_a_good_file_with_a_piece_replaced(at: int, removed: int, inserted: str, profile: Profile) -> None:
    load_all(WRITTEN[:at] + inserted + WRITTEN[at + removed :], profile)


@settings(max_examples=200)
@given(DOCUMENTS)
def test_yaml_and_json_of_a_document_read_the_same(document: Any) -> None:
    try:
        written = yaml.safe_dump({"x": document}, default_style='"')  # quoted: PyYAML and Go differ on "y"
        from_yaml = plain(read_source(written, "y").documents[0])
    except BadSource:
        return
    from_json = plain(read_source(json.dumps({"x": document}), "j").documents[0])
    assert from_yaml == from_json


@given(st.one_of(st.text(max_size=60), NOISE), st.text(max_size=60))
def test_reading_does_not_change_what_strings_say(one: str, two: str) -> None:
    document = {"one": one, "two": [two]}
    assert plain(read_source(json.dumps(document), "j").documents[0]) == document
