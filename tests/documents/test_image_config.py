"""``image.config.openshift.io/cluster``, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.profile import Profile
from imagegate.core.references.openshift import ImageReference
from imagegate.documents.image_config import merged, read_image_config

LISTED = {"allowedRegistriesForImport": [{"domainName": "quay.io"}, {"domainName": "*.example:5000", "insecure": True}]}


def test_the_fields_that_are_used() -> None:
    found = {
        "spec": {
            **LISTED,
            "externalRegistryHostnames": ["apps.example"],
            "additionalTrustedCA": {"name": "ca"},
            "registrySources": {"blockedRegistries": ["x"]},
        },
        "status": {"internalRegistryHostname": "registry.svc:5000", "imageStreamImportMode": "Legacy"},
    }
    block = read_image_config(found, Profile.DOCUMENTED)
    assert block.allowed_registries_for_import == (
        AllowedRegistry("quay.io", False, ""),
        AllowedRegistry("*.example:5000", True, ""),
    )
    assert block.external_registry_hostnames == ("apps.example",)
    assert block.internal_registry_hostname == "registry.svc:5000"
    assert block.unavailable == ""


@pytest.mark.parametrize("spec", [None, {}, {"allowedRegistriesForImport": None}, {"allowedRegistriesForImport": []}])
def test_no_list_restricts_nothing(spec: Any) -> None:
    assert read_image_config({"spec": spec}, Profile.DOCUMENTED) == ImagePolicyBlock()


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize(
    "found",
    [
        {"spec": []},
        {"status": "x"},
        {"spec": {"allowedRegistriesForImport": "quay.io"}},
        {"spec": {"allowedRegistriesForImport": ["quay.io"]}},
        {"spec": {"allowedRegistriesForImport": [{"domainName": 5}]}},
        {"spec": {"allowedRegistriesForImport": [{"domainName": "a:1:2"}]}},
        {"spec": {"allowedRegistriesForImport": [{"domain": "quay.io"}]}},
        {"spec": {"externalRegistryHostnames": "x"}},
        {"status": {"internalRegistryHostname": ["x"]}},
    ],
)
def test_what_cannot_be_read_allows_nothing(found: dict[str, Any], profile: Profile) -> None:
    block = read_image_config(found, profile)
    assert block.unavailable.startswith("image.config.openshift.io cluster: ")
    gate = ImportGate.configured(block.allowed_registries_for_import, unavailable=block.unavailable)
    assert not gate.allows_all
    admission = gate.admit(
        ImageReference.parse("quay.io/a/b"), Transport.SECURE, repositories=frozenset({"quay.io/a/b"})
    )
    assert not admission.allowed
    assert block.unavailable in admission.error


def test_the_file_has_precedence_field_by_field() -> None:
    cluster = read_image_config({"spec": LISTED, "status": {"internalRegistryHostname": "c:5000"}}, Profile.DOCUMENTED)
    assert merged(ImagePolicyBlock(), cluster) == cluster
    own = ImagePolicyBlock(allowed_registries_for_import=(), internal_registry_hostname="f:5000")
    assert merged(own, cluster) == own
    broken = ImagePolicyBlock(unavailable="x")
    assert merged(own, broken).unavailable == ""
    assert merged(ImagePolicyBlock(internal_registry_hostname="f:5000"), broken).unavailable == "x"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["domainName", "insecure", "repository", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_any_object_is_read_or_unavailable(listed: Any, hosts: Any) -> None:
    found = {"spec": {"allowedRegistriesForImport": listed, "externalRegistryHostnames": hosts}}
    block = read_image_config(found, Profile.DOCUMENTED)
    if listed and not block.unavailable:
        assert block.allowed_registries_for_import is not None
