"""JSON Schemas of policy documents, for editors: made by the readers of the documents."""

from __future__ import annotations

from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup, RequirementType
from imagegate.core.image_policy.config import PLUGIN_NAMES, RESOLUTION_TYPES
from imagegate.core.profile import Profile
from imagegate.documents.image_policies import IDENTITY_TYPES, entry_reader
from imagegate.documents.image_policy_config import API_VERSIONS, KIND, rule_readers
from imagegate.documents.import_policy import read_image_policy_block
from imagegate.documents.master_config import ALWAYS_PULL_IMAGES, DEFAULT_ADMISSION_KIND
from imagegate.documents.yaml.schema import DRAFT, Schema, recorded

_STRING: Schema = {"type": ["string", "null"]}


def image_policy_config_schema() -> Schema:
    """The schema of a stand-alone ImagePolicyConfig."""
    return {
        "$schema": DRAFT,
        "$id": "urn:imagegate:schema:image-policy-config:1",
        "title": "ImagePolicyConfig",
        "description": "Which images may run; docs/configuration.md explains the fields.",
        **_image_policy_config(),
    }


def _image_policy_config() -> Schema:
    resolution, execution = (recorded(read) for read in rule_readers(Profile.DOCUMENTED))
    resolution["properties"]["policy"]["enum"] = ["", *RESOLUTION_TYPES, None]
    properties: Schema = {
        "kind": {"const": KIND},
        "apiVersion": {"enum": list(API_VERSIONS)},
        "resolveImages": {"enum": ["", *RESOLUTION_TYPES, None]},
        "resolutionRules": {"type": ["array", "null"], "items": resolution},
        "executionRules": {"type": ["array", "null"], "items": execution},
    }
    required = ["kind", "apiVersion"]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def master_config_schema() -> Schema:
    """The schema of the three blocks of ``master-config.yaml``; everything else in it is ignored."""
    block = recorded(lambda fields: read_image_policy_block(fields, Profile.DOCUMENTED, lambda _: True))
    disabling = {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "apiVersion"],
        "properties": {
            "kind": {"const": DEFAULT_ADMISSION_KIND},
            "apiVersion": {"const": "v1"},
            "disable": {"type": ["boolean", "null"]},
        },
    }
    image_policy = {
        "if": {"properties": {"kind": {"const": DEFAULT_ADMISSION_KIND}}},
        "then": disabling,
        "else": _image_policy_config(),
    }
    plugins = {
        **{name: _plugin(image_policy) for name in PLUGIN_NAMES},
        ALWAYS_PULL_IMAGES: _plugin(disabling),
    }
    format_and_latest = {"format": {"type": "string", "minLength": 1}, "latest": {"type": ["boolean", "null"]}}
    admission = {
        "pluginConfig": {"type": ["object", "null"], "properties": plugins},
        "pluginOrderOverride": {"type": ["array", "null"], "items": {"type": "string"}},
    }
    return {
        "$schema": DRAFT,
        "$id": "urn:imagegate:schema:master-config:1",
        "title": "master-config.yaml",
        "description": "The blocks that concern images; docs/configuration.md explains them.",
        "type": "object",
        "properties": {
            "kind": {"enum": ["MasterConfig", "", None]},
            "apiVersion": {"enum": ["v1", "", None]},
            "admissionConfig": {"type": ["object", "null"], "additionalProperties": False, "properties": admission},
            "imagePolicyConfig": {**block, "type": ["object", "null"]},
            "imageConfig": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "required": ["format"],
                "properties": format_and_latest,
            },
        },
    }


def _plugin(configuration: Schema) -> Schema:
    """A plug-in's configuration, embedded or in a file."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"location": _STRING, "configuration": configuration},
    }


def image_policies_schema() -> Schema:
    """The schema of ClusterImagePolicy and ImagePolicy objects of both groups."""
    entry = recorded(entry_reader())
    requirement = entry["properties"]["policy"]["properties"]["simple"]["properties"]["requirements"]["items"]
    requirement["properties"]["type"] = {"enum": list(RequirementType)}
    requirement["properties"]["signedIdentity"]["properties"]["type"] = {"enum": [*IDENTITY_TYPES, None]}
    requirement["required"] = ["type"]
    spec: Schema = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {"repositories": {"type": ["array", "null"], "items": entry}},
    }
    named = {"name": {"type": "string"}, "namespace": _STRING}
    policy: Schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "metadata"],
        "properties": {
            "apiVersion": {},
            "kind": {"enum": [CLUSTER_IMAGE_POLICY, IMAGE_POLICY]},
            "metadata": {"type": "object", "required": ["name"], "properties": named},
            "spec": spec,
            "status": {},
        },
    }
    return {
        "$schema": DRAFT,
        "$id": "urn:imagegate:schema:image-policies:1",
        "title": "ClusterImagePolicy, ImagePolicy",
        "description": "Policies of CISE and Portieris, among other objects; docs/enforcement.md explains them.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "if": {"properties": {"apiVersion": {"enum": [group.value for group in PolicyGroup]}}},
        "then": policy,
    }
