"""``image.config.openshift.io/cluster``: OpenShift 4's place of what ``imagePolicyConfig`` was in 3.11.

Rule: docs/spec/image-policy.md 1.6: spec.allowedRegistriesForImport, spec.externalRegistryHostnames and
status.internalRegistryHostname. A field of the file has precedence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.import_gate.rules import parse_rules
from imagegate.core.profile import Profile
from imagegate.documents.import_policy import read_image_policy_block
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.nodes import node_of
from imagegate.documents.yaml.rules import DEPTH_MAX, TOO_DEEP
from imagegate.errors import InvalidPolicy

NAME = "image.config.openshift.io cluster"
_SPEC, _STATUS = ("allowedRegistriesForImport", "externalRegistryHostnames"), ("internalRegistryHostname",)
SHOWN_MAX_LENGTH = 900


def read_image_config(found: Mapping[str, Any], profile: Profile) -> ImagePolicyBlock:
    """The fields of the object that matter here. What cannot be read makes the block ``unavailable``. Never raises.

    Args:
        found: the object.
        profile: ``documented`` applies the checks of 3.x to the allowed registries.
    """
    parts = (("spec", _SPEC), ("status", _STATUS))
    picked: dict[str, Any] = {}
    for part, names in parts:
        fields = found.get(part)
        if fields is None:
            continue
        if not isinstance(fields, Mapping):
            return ImagePolicyBlock(unavailable=f"{NAME}: {part}: expected a mapping")
        picked |= {name: fields[name] for name in names if name in fields}
    if not picked.get("allowedRegistriesForImport"):
        picked.pop("allowedRegistriesForImport", None)  # an empty list restricts nothing in OpenShift 4
    node = node_of(picked, depth_max=DEPTH_MAX)
    if node is None:
        return ImagePolicyBlock(unavailable=f"{NAME}: {TOO_DEEP}")
    report = Report(NAME)
    block = read_image_policy_block(Fields(node, "", report), profile, lambda _: False)
    try:
        report.check()
        parse_rules(block.allowed_registries_for_import or ())
    except InvalidPolicy as error:
        return ImagePolicyBlock(unavailable=str(error)[:SHOWN_MAX_LENGTH])
    return block


def merged(file: ImagePolicyBlock, cluster: ImagePolicyBlock) -> ImagePolicyBlock:
    """The block of the file, with the cluster's values where the file has none."""
    listed = file.allowed_registries_for_import is not None
    return replace(
        file,
        allowed_registries_for_import=(
            file.allowed_registries_for_import if listed else cluster.allowed_registries_for_import
        ),
        allowed_registry_lines=file.allowed_registry_lines if listed else cluster.allowed_registry_lines,
        internal_registry_hostname=file.internal_registry_hostname or cluster.internal_registry_hostname,
        external_registry_hostnames=file.external_registry_hostnames or cluster.external_registry_hostnames,
        unavailable="" if listed else cluster.unavailable,
    )
