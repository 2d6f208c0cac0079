"""ImagePolicyConfig documents (docs/spec/image-policy.md 1.2 to 1.4).

``documented`` refuses what the original lets pass and what would change a policy's meaning unseen: unknown fields,
unknown resolution types, repeated keys, nulls in lists. ``openshift-4`` reads exactly as the original and warns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.config import (
    PLUGIN_NAME,
    RESOLUTION_TYPES,
    ExecutionRule,
    ImagePolicyConfig,
    ResolutionRule,
    ValueCondition,
    apply_defaults,
    validate,
)
from imagegate.core.kube.field_errors import FieldError, not_supported
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.label_selector import LabelSelector, Requirement
from imagegate.core.profile import Profile
from imagegate.documents.type_meta import BadTypeMeta, GroupVersionKind, converted_keys, type_of, written_keys
from imagegate.documents.yaml.fields import Fields, Remark, Report
from imagegate.documents.yaml.hints import hint_for_callout
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.source import is_json, read_source
from imagegate.errors import InvalidPolicy

KIND = "ImagePolicyConfig"
API_VERSION = "image.openshift.io/v1"
API_VERSIONS = (API_VERSION, "v1")
ENFORCE, WARN, AUDIT = MODES = ("enforce", "warn", "audit")
_TYPE = GroupVersionKind("image.openshift.io", "v1", KIND)
_RESOURCE_NAME = re.compile(r"\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LISTS = ("onResources", "matchRegistries", "matchDockerImageLabels", "matchImageLabels", "matchImageAnnotations")


@dataclass(frozen=True, slots=True)
class LoadedImagePolicy:
    """A policy as it was read. ``kind`` and ``api_version`` are as written, empty if absent."""

    config: ImagePolicyConfig
    kind: str = ""
    api_version: str = ""
    execution_rules_written: bool = False
    """True if ``executionRules`` was given and not null (``[]`` counts)."""
    warnings: tuple[Remark, ...] = ()
    lines: tuple[tuple[str, int], ...] = ()
    """Place of each rule: ``executionRules[0]`` and its line."""


class InvalidImagePolicy(InvalidPolicy):
    """A document is not a valid policy. ``errors`` are the original's field errors."""

    def __init__(self, lines: list[str], errors: list[FieldError], loaded: LoadedImagePolicy) -> None:
        super().__init__(*lines)
        self.errors = errors
        self.loaded = loaded


def load_image_policy(
    text: str, name: str = "ImagePolicyConfig", profile: Profile = Profile.DOCUMENTED
) -> LoadedImagePolicy:
    """Read a stand-alone ImagePolicyConfig document.

    Args:
        text: YAML or JSON. In ``openshift-4`` an empty text is an empty configuration.
        name: the file's name, for messages.
        profile: how strictly to read.

    Raises:
        InvalidPolicy: not readable (``InvalidImagePolicy`` if it could be read and is not valid).
    """
    exact = profile is Profile.OPENSHIFT_4
    source = read_source(text, name, last_key_wins=exact, first_document_only=exact, json_by_prefix=exact)
    report = Report(name, lenient=exact)
    if len(source.documents) > 1:
        report.error(source.documents[1].line, "", "a second document; one file holds one ImagePolicyConfig")
    if exact:
        _check_type(source.documents[0], text, report)
    return read_image_policy(source.documents[0], "", report, profile, check_kind=not exact)


def read_image_policy(
    node: Node, path: str, report: Report, profile: Profile, *, check_kind: bool = True
) -> LoadedImagePolicy:
    """Read one ImagePolicyConfig object.

    Args:
        node: the object.
        path: where it stands in its file, for messages.
        report: what the caller has noted so far; this adds to it.
        profile: how strictly to read.
        check_kind: refuse an object without kind and apiVersion, or with others. ``apiVersion: v1`` (3.x) is accepted
            besides the group's.

    Raises:
        InvalidPolicy: as ``load_image_policy``.
    """
    fields = Fields(node, path, report)
    kind, api_version = fields.text("kind"), fields.text("apiVersion")
    if check_kind:
        _check_kind(fields, kind, api_version)
    reader = _Reader(report, profile)
    resolve_images = fields.text("resolveImages")
    resolution_rules = fields.each("resolutionRules", reader.resolution_rule)
    execution_rules = fields.each("executionRules", reader.execution_rule)
    fields.finish()
    reader.check_resolution_type(fields, "resolveImages", resolve_images)
    report.check()
    config = apply_defaults(
        resolve_images, resolution_rules, execution_rules or (), fold_groups=profile is Profile.DOCUMENTED
    )
    lines = tuple(_lines(fields))
    loaded = LoadedImagePolicy(config, kind, api_version, execution_rules is not None, tuple(report.warnings), lines)
    if errors := validate(config):
        raise InvalidImagePolicy(_located(errors, report.file, dict(lines), fields.line), errors, loaded)
    return loaded


def _check_kind(fields: Fields, kind: str, api_version: str) -> None:
    if kind != KIND:
        fields.error("kind", f"expected {KIND}, got {go_quote(kind)} (apiVersion {go_quote(api_version)})")
    elif api_version not in API_VERSIONS:
        expected = " or ".join(API_VERSIONS)
        fields.error("apiVersion", f"expected {expected} for kind {KIND}, got {go_quote(api_version)}")


def _check_type(node: Node, text: str, report: Report) -> None:
    """Refuse another type, as the original's decoder does."""
    try:
        found = type_of(written_keys(text) if is_json(text) else converted_keys(node), _TYPE)
    except BadTypeMeta as error:
        report.error(node.line, error.key, str(error))
        return
    if found != _TYPE:
        problem = f"no kind {go_quote(found.kind)} is known for version {go_quote(found.api_version)}"
        report.error(node.line, "", f"{problem}; expected kind {KIND} of {API_VERSION}")


def _lines(fields: Fields) -> list[tuple[str, int]]:
    return [
        (f"{name}[{index}]", item.line)
        for name in ("executionRules", "resolutionRules")
        if (node := fields.entries.get(name)) is not None and isinstance(node.value, list)
        for index, item in enumerate(node.value)
    ]


def _located(errors: list[FieldError], file: str, lines: dict[str, int], start: int) -> list[str]:
    """Each error, after the file and the line of its rule."""
    located = []
    for error in errors:
        place = error.field.removeprefix(f"{PLUGIN_NAME}.")
        rule = place[: place.find("]") + 1]
        located.append(f"{file}:{lines.get(rule, start)}: {error}")
    return located


class _Reader:
    """Reads the parts of a policy in one profile."""

    def __init__(self, report: Report, profile: Profile) -> None:
        self._report = report
        self._exact = profile is Profile.OPENSHIFT_4

    def check_resolution_type(self, fields: Fields, name: str, value: str) -> None:
        """Refuse, or warn about, a resolution type that the original would silently treat as "neither"."""
        if value and value not in RESOLUTION_TYPES:
            place = fields.at(name)
            body = not_supported(place, value, RESOLUTION_TYPES).body
            suffix = "; acts as no resolution and no rewriting" if self._exact else hint_for_callout(value)
            self._report.refuse(fields.line_of(name), place, f"{body}{suffix}")

    def resolution_rule(self, fields: Fields) -> ResolutionRule:
        target = fields.child("targetResource")
        resource = self.group_resource(target)
        target.finish()
        policy = fields.text("policy")
        self.check_resolution_type(fields, "policy", policy)
        return ResolutionRule(resource, fields.flag("localNames"), policy)

    def group_resource(self, fields: Fields) -> GroupResource:
        """A resource; the documented profile refuses impossible names (``pods 1``)."""
        resource = GroupResource(fields.text("group"), fields.text("resource"))
        if resource.resource and _RESOURCE_NAME.fullmatch(resource.resource) is None:
            text = f"{go_quote(resource.resource)} is not a resource name{hint_for_callout(resource.resource)}"
            self._report.refuse(fields.line_of("resource"), fields.at("resource"), text)
        return resource

    def execution_rule(self, fields: Fields) -> ExecutionRule:
        """One rule of ``executionRules``."""
        on_resources = fields.each("onResources", self.group_resource)
        registries = self._registries(fields)
        docker_image_labels = fields.each("matchDockerImageLabels", _value_condition)
        image_labels = fields.each("matchImageLabels", read_label_selector)
        image_annotations = fields.each("matchImageAnnotations", _value_condition)
        lists = (on_resources, registries, docker_image_labels, image_labels, image_annotations)
        rule = ExecutionRule(
            name=fields.text("name"),
            reject=fields.flag("reject"),
            on_resources=on_resources or (),
            invert_match=fields.flag("invertMatch"),
            match_integrated_registry=fields.flag("matchIntegratedRegistry"),
            match_registries=registries or (),
            match_docker_image_labels=docker_image_labels or (),
            match_image_labels=image_labels or (),
            match_image_annotations=image_annotations or (),
            skip_on_resolution_failure=fields.flag("skipOnResolutionFailure"),
            ignore_namespace_override=fields.flag("ignoreNamespaceOverride"),
            written_empty=frozenset(name for name, values in zip(_LISTS, lists, strict=True) if values == ()),
        )
        return rule if self._exact else _with_extensions(rule, fields)

    def _registries(self, fields: Fields) -> tuple[str, ...] | None:
        """The registries; the documented profile refuses values with a blank (``docker.io 1``), which match nothing."""
        registries = fields.texts("matchRegistries")
        for index, registry in enumerate(registries or ()):
            if registry != "".join(registry.split()):
                place = f"{fields.at('matchRegistries')}[{index}]"
                text = f"{go_quote(registry)} is not a registry{hint_for_callout(registry)}"
                self._report.refuse(fields.line_of("matchRegistries"), place, text)
        return registries


def rule_readers(profile: Profile) -> tuple[Callable[[Fields], object], Callable[[Fields], object]]:
    """Readers of one resolution rule and one execution rule; for their schemas."""
    reader = _Reader(Report(""), profile)
    return reader.resolution_rule, reader.execution_rule


def _with_extensions(rule: ExecutionRule, fields: Fields) -> ExecutionRule:
    """The rule with imagegate's own fields, which ``openshift-4`` does not know.

    Only a reject rule may be of mode warn or audit: an accept rule adds to what may run, and what an image would be
    denied for lacking is said by no single one of them.
    """
    mode = fields.choice("mode", MODES, "") or None
    if mode in (WARN, AUDIT) and not rule.reject:
        fields.error(
            "mode", f"{mode} is for reject rules; to try out accept rules, set imagePolicy.mode of the settings"
        )
    return replace(
        rule,
        allow_namespace_override=fields.flag("allowNamespaceOverride"),
        match_registry_patterns=fields.texts("matchRegistryPatterns") or (),
        mode=mode,
    )


def _value_condition(fields: Fields) -> ValueCondition:
    return ValueCondition(fields.text("key"), fields.flag("set"), fields.text("value"))


def read_label_selector(fields: Fields) -> LabelSelector:
    """A label selector; ``LabelSelector.problem`` checks it."""
    labels = fields.text_map("matchLabels")
    return LabelSelector.of(labels, fields.each("matchExpressions", _requirement) or ())


def _requirement(fields: Fields) -> Requirement:
    return Requirement(fields.text("key"), fields.text("operator"), fields.texts("values") or ())
