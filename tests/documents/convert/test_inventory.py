"""Variables of openshift-ansible inventories as blocks of master-config.yaml, as its installer makes them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from imagegate.core.profile import Profile
from imagegate.documents.convert.inventory import as_yaml, read_inventory
from imagegate.documents.master_config import read_config
from imagegate.errors import InvalidPolicy
from tests.documents.test_master_config import Files

PLUGIN = (
    '{"openshift.io/ImagePolicy": {"configuration": {"kind": "ImagePolicyConfig", "apiVersion": "v1", '
    '"executionRules": [{"name": "a", "reject": true, "matchRegistries": ["evil.org"]}]}}}'
)
INTERNAL = {"internalRegistryHostname": "docker-registry.default.svc:5000"}
INI = f"""\
[OSEv3:children]
masters

[OSEv3:vars]
# only these
openshift_master_image_policy_allowed_registries_for_import=["docker.io", "*.corp"]
openshift_master_image_policy_config={{"maxImagesBulkImportedPerRepository": 3, "disableScheduledImport": true}}
openshift_master_admission_plugin_config={PLUGIN}
oreg_url=example.com/ose-${{component}}:${{version}}

[masters]
master.corp openshift_node_group_name=x
"""


def blocks(text: str) -> dict[str, Any]:
    written = as_yaml(read_inventory(text, "hosts"))
    read_config(written, "m.yaml", Profile.DOCUMENTED, Files())
    found: dict[str, Any] = yaml.safe_load(written)
    assert (found.pop("kind"), found.pop("apiVersion")) == ("MasterConfig", "v1")
    return found


def test_the_variables_of_the_example_inventory() -> None:
    found = blocks(INI)
    assert found["imagePolicyConfig"] == {
        "maxImagesBulkImportedPerRepository": 3,
        "disableScheduledImport": True,
        "allowedRegistriesForImport": [{"domainName": "docker.io"}, {"domainName": "*.corp"}],
        **INTERNAL,
    }
    assert found["admissionConfig"]["pluginConfig"] == yaml.safe_load(PLUGIN)
    assert found["imageConfig"] == {"format": "example.com/ose-${component}:${version}", "latest": False}
    assert "# only these\nimagePolicyConfig:" in as_yaml(read_inventory(INI, "hosts"))


def test_python_literals_and_yaml() -> None:
    literal = (
        "openshift_master_image_policy_config="
        "{'disableScheduledImport': True, 'allowedRegistriesForImport': [{'domainName': 'a.corp'}]}"
    )
    expected = {"disableScheduledImport": True, "allowedRegistriesForImport": [{"domainName": "a.corp"}], **INTERNAL}
    assert blocks(literal)["imagePolicyConfig"] == expected
    as_yaml_file = yaml.safe_dump({"all": {"vars": {"openshift_master_image_policy_config": {
        "disableScheduledImport": True, "allowedRegistriesForImport": [{"domainName": "a.corp"}]}}}})  # fmt: skip
    assert blocks(as_yaml_file)["imagePolicyConfig"] == expected


def test_the_list_of_its_own_variable_wins() -> None:
    text = (
        'openshift_master_image_policy_config={"allowedRegistriesForImport": [{"domainName": "old"}]}\n'
        'openshift_master_image_policy_allowed_registries_for_import=["new"]\n'
    )
    assert blocks(text)["imagePolicyConfig"]["allowedRegistriesForImport"] == [{"domainName": "new"}]
    (loss,) = read_inventory(text, "hosts").losses
    assert (loss.line, loss.changes_verdicts) == (1, False)
    empty = text.replace('["new"]', "[]")  # the installer takes an empty list for none
    assert blocks(empty)["imagePolicyConfig"]["allowedRegistriesForImport"] == [{"domainName": "old"}]


def test_the_deprecated_variable_is_joined() -> None:
    text = (
        "openshift_master_kube_admission_plugin_config="
        '{"AlwaysPullImages": {"configuration": {"kind": "DefaultAdmissionConfig", "apiVersion": "v1"}}}\n'
        f"openshift_master_admission_plugin_config={PLUGIN}\n"
    )
    assert set(blocks(text)["admissionConfig"]["pluginConfig"]) == {"AlwaysPullImages", "openshift.io/ImagePolicy"}
    with pytest.raises(InvalidPolicy, match=r"hosts:1: .*kube_admission_plugin_config: openshift.io/ImagePolicy is in"):
        read_inventory(f"openshift_master_kube_admission_plugin_config={PLUGIN}\n{text.partition(chr(10))[2]}", "hosts")


@pytest.mark.parametrize(
    "text, message",
    [
        ("[OSEv3:vars]\nopenshift_release=3.11\n", "hosts:1: none of"),
        ("openshift_master_image_policy_config={{ lookup('file', 'x') }}", "is a template: write its value"),
        ("openshift_master_image_policy_config=5", "expected a mapping"),
        ("openshift_master_image_policy_config={1, 2}", "holds values that no configuration has"),
        ("openshift_master_image_policy_allowed_registries_for_import=[1]", "expected a list of strings"),
        (
            "openshift_master_image_policy_config={'a': 1}\nopenshift_master_image_policy_config={'a': 2}",
            "is set twice",
        ),
        ("[masters]\nm openshift_master_image_policy_config={}", "a variable of one host"),
        ("openshift_master_image_policy_config={" + "[" * 5000, "hosts:1"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidPolicy, match=message):
        read_inventory(text, "hosts")
