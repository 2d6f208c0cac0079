"""master-config.yaml read whole: the three blocks that concern images, everything else ignored.

docs/spec/image-policy.md 1.1 and 1.5 to 1.8. A stand-alone ImagePolicyConfig is read here too, so that one
``--config`` takes either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from imagegate.core.image_policy.config import PLUGIN_NAMES, ImagePolicyConfig, apply_defaults
from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, required
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.profile import Profile
from imagegate.documents.image_policy_config import KIND as IMAGE_POLICY_KIND
from imagegate.documents.image_policy_config import (
    InvalidImagePolicy,
    LoadedImagePolicy,
    load_image_policy,
    read_image_policy,
)
from imagegate.documents.import_policy import read_image_policy_block
from imagegate.documents.yaml.fields import Fields, Remark, Report
from imagegate.documents.yaml.hints import nearest
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.source import decode_utf8, read_source
from imagegate.errors import InvalidPolicy

ALWAYS_PULL_IMAGES = "AlwaysPullImages"
DEFAULT_ADMISSION_KIND = "DefaultAdmissionConfig"
BLOCKS = ("admissionConfig", "imagePolicyConfig", "imageConfig")
_PLUGIN_CONFIG = "admissionConfig.pluginConfig"
_NEAR_BLOCK_CUTOFF = 0.9


class ReferencedFiles(Protocol):
    """The files a master-config.yaml names, by paths relative to its own directory."""

    def name(self, path: str) -> str:
        """The path as messages show it."""

    def read(self, path: str) -> bytes:
        """The file's content.

        Raises:
            OSError: it cannot be read.
        """

    def exists(self, path: str) -> bool:
        """True if the file exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterConfig:
    """The parts of a configuration file that concern images."""

    image_policy: ImagePolicyConfig | None = None
    """None: the execution policy is off."""
    always_pull: bool = False
    import_policy: ImagePolicyBlock = field(default_factory=ImagePolicyBlock)
    image_format: str = ""
    """Template of infrastructure image names; empty if ``imageConfig`` is not there."""
    warnings: tuple[Remark, ...] = ()
    ignored_plugins: tuple[str, ...] = ()
    """Plug-ins in ``pluginConfig`` that imagegate has nothing of."""
    file: str = ""
    stand_alone: bool = False
    """The file is an ImagePolicyConfig, not a master-config.yaml."""
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict, compare=False)
    """File and line of ``executionRules[0]`` and the like, for messages."""
    located_files: tuple[str, ...] = ()
    """Resolved paths of ``location`` and ``additionalTrustedCA``; a change of these files is a change of this one."""


def read_config(
    text: str, name: str, profile: Profile, referenced: ReferencedFiles, *, strict_yaml: bool = False
) -> MasterConfig:
    """Read a master-config.yaml or a stand-alone ImagePolicyConfig, distinguished by ``kind``.

    Args:
        text: YAML or JSON.
        name: the file's name, for messages.
        profile: how strictly to read.
        referenced: reads the files that the document refers to.
        strict_yaml: do not repair an unquoted ``domainName: *.example.com``.

    Raises:
        InvalidPolicy: everything that is wrong, a line each: ``file:line: path: what``.
    """
    exact = profile is Profile.OPENSHIFT_4
    source = read_source(text, name, last_key_wins=exact, first_document_only=exact, repair_patterns=not strict_yaml)
    root = source.documents[0]
    kind = root.value.get("kind") if isinstance(root.value, dict) else None
    if kind is not None and kind.value == IMAGE_POLICY_KIND:
        return _stand_alone(load_image_policy(text, name, profile), name)
    report = Report(name, lenient=exact)
    for line, sentence in source.repairs:
        report.warn(line, "imagePolicyConfig.allowedRegistriesForImport", sentence)
    if len(source.documents) > 1:
        report.error(source.documents[1].line, "", "a second document; one file holds one configuration")
    return _Reader(report, profile, referenced).read(root)


def _stand_alone(loaded: LoadedImagePolicy, name: str) -> MasterConfig:
    places = {place: (name, line) for place, line in loaded.lines}
    return MasterConfig(
        image_policy=loaded.config, warnings=loaded.warnings, file=name, stand_alone=True, places=places
    )


class _Reader:
    """Reads one master-config and collects all errors before raising."""

    def __init__(self, report: Report, profile: Profile, referenced: ReferencedFiles) -> None:
        self._report = report
        self._profile = profile
        self._referenced = referenced
        self._late: list[str] = []
        self._places: dict[str, tuple[str, int]] = {}
        self._located: list[str] = []

    def read(self, root: Node) -> MasterConfig:
        fields = Fields(root, "", self._report)
        self._check_kind(fields)
        policy, always_pull, ignored = self._admission(fields)
        block = read_image_policy_block(fields.child("imagePolicyConfig"), self._profile, self._referenced.exists)
        image_format = self._image_format(fields)
        self._check_near_misses(fields)
        self._raise_all()
        if block.additional_trusted_ca:
            block = replace(block, additional_trusted_ca=self._referenced.name(block.additional_trusted_ca))
            self._located.append(block.additional_trusted_ca)
        return MasterConfig(
            image_policy=policy,
            always_pull=always_pull,
            import_policy=block,
            image_format=image_format,
            warnings=tuple(self._report.warnings),
            ignored_plugins=ignored,
            file=self._report.file,
            places=self._places,
            located_files=tuple(self._located),
        )

    def _raise_all(self) -> None:
        """Raise with the errors of this file, then those of embedded and located policies."""
        try:
            self._report.check()
        except InvalidPolicy as error:
            raise InvalidPolicy(*error.lines, *self._late) from error
        if self._late:
            raise InvalidPolicy(*self._late)

    def _check_kind(self, fields: Fields) -> None:
        kind, version = fields.text("kind"), fields.text("apiVersion")
        if kind not in ("", "MasterConfig"):
            fields.error("kind", f"expected MasterConfig or {IMAGE_POLICY_KIND}, got {go_quote(kind)}")
        elif version not in ("", "v1"):
            fields.error("apiVersion", f"expected v1, got {go_quote(version)}")
        elif not kind and not any(block in fields.entries for block in BLOCKS):
            listed = ", ".join(BLOCKS)
            self._report.error(
                fields.line, "", f"no kind, and none of {listed}: neither MasterConfig nor {IMAGE_POLICY_KIND}"
            )

    def _check_near_misses(self, fields: Fields) -> None:
        """Refuse misspelt block names: such a block, and with it the policy, would be ignored."""
        for name, node in fields.unknown():
            near = nearest(name.replace("_", "").replace("-", ""), BLOCKS, cutoff=_NEAR_BLOCK_CUTOFF)
            if near:
                self._report.refuse(node.line, name, f'not read; did you mean "{near}"?')
        old = fields.entries.get("kubernetesMasterConfig")
        if old is not None and isinstance(old.value, dict) and "admissionConfig" in old.value:
            text = "not read; plug-ins are configured in the top-level admissionConfig"
            self._report.warn(old.value["admissionConfig"].line, "kubernetesMasterConfig.admissionConfig", text)

    def _admission(self, fields: Fields) -> tuple[ImagePolicyConfig | None, bool, tuple[str, ...]]:
        admission = fields.child("admissionConfig")
        order = admission.texts("pluginOrderOverride")
        if order:
            detail = "specified admission ordering is being phased out.  Convert to DefaultAdmissionConfig in "
            self._warn(
                admission.line_of("pluginOrderOverride"),
                invalid("admissionConfig.pluginOrderOverride", list(order), f"{detail}admissionConfig.pluginConfig."),
            )
        plugins = admission.child("pluginConfig")
        admission.finish()
        names = [name for name in PLUGIN_NAMES if name in plugins.entries]
        if len(names) > 1:
            both = f'only one of "{PLUGIN_NAMES[1]}" and "{PLUGIN_NAMES[0]}" may be configured'
            self._error(plugins.line, forbidden(_PLUGIN_CONFIG, both))
        known = {*PLUGIN_NAMES, ALWAYS_PULL_IMAGES}
        ignored = tuple(name for name in plugins.entries if name not in known)
        self._check_near_plugins(plugins, ignored)
        policies = [self._image_policy(plugins, name) for name in names]
        policy = policies[0] if policies else None
        if not names and self._profile is Profile.OPENSHIFT_4:
            policy = apply_defaults()
        return policy, self._always_pull(plugins), ignored

    def _check_near_plugins(self, plugins: Fields, ignored: tuple[str, ...]) -> None:
        for name in ignored:
            near = nearest(name, (*PLUGIN_NAMES, ALWAYS_PULL_IMAGES), cutoff=_NEAR_BLOCK_CUTOFF)
            if near:
                place = f"{_PLUGIN_CONFIG}[{name}]"
                self._report.refuse(plugins.line_of(name), place, f'not read; did you mean "{near}"?')

    def _image_policy(self, plugins: Fields, name: str) -> ImagePolicyConfig | None:
        found = self._configuration(plugins, name)
        if found is None:
            return None
        node, path, report = found
        kind, version = _kind_of(node)
        if kind == DEFAULT_ADMISSION_KIND:
            return None if self._is_disabled(node, path, report) else apply_defaults()
        if kind != IMAGE_POLICY_KIND:
            self._refuse_kind(node, path, report, f"{IMAGE_POLICY_KIND} or {DEFAULT_ADMISSION_KIND}", kind, version)
            return None
        try:
            loaded = read_image_policy(node, path, report, self._profile)
        except InvalidImagePolicy as error:
            self._late += error.lines
            return None
        except InvalidPolicy:  # noted in the report
            self._collect(report)
            return None
        if self._profile is Profile.OPENSHIFT_4 and version == "v1":
            report.warn(node.line, f"{path}.apiVersion", "OpenShift 4 itself takes only image.openshift.io/v1")
        self._places.update({place: (report.file, line) for place, line in loaded.lines})
        return loaded.config

    def _always_pull(self, plugins: Fields) -> bool:
        if ALWAYS_PULL_IMAGES not in plugins.entries:
            return False
        found = self._configuration(plugins, ALWAYS_PULL_IMAGES)
        if found is None:
            return False
        node, path, report = found
        kind, version = _kind_of(node)
        if kind != DEFAULT_ADMISSION_KIND:
            self._refuse_kind(node, path, report, DEFAULT_ADMISSION_KIND, kind, version)
            return False
        return not self._is_disabled(node, path, report)

    def _refuse_kind(self, node: Node, path: str, report: Report, expected: str, kind: str, version: str) -> None:
        text = f"expected kind {expected}, got kind {go_quote(kind)} of apiVersion {go_quote(version)}"
        report.error(node.line, path, text)
        self._collect(report)

    def _is_disabled(self, node: Node, path: str, report: Report) -> bool:
        fields = Fields(node, path, report)
        fields.ignore("kind")
        version = fields.text("apiVersion")
        if version != "v1":
            fields.error("apiVersion", f"expected v1 for kind {DEFAULT_ADMISSION_KIND}, got {go_quote(version)}")
        disabled = fields.flag("disable")
        fields.finish()
        self._collect(report)
        return disabled

    def _collect(self, report: Report) -> None:
        """Keep the errors of a located file; those of this file are collected by its own report."""
        if report is not self._report and report.errors:
            self._late.extend(str(remark) for remark in report.errors)
            report.errors.clear()

    def _configuration(self, plugins: Fields, name: str) -> tuple[Node, str, Report] | None:
        """The object that configures a plug-in, with its path and the report of its file."""
        place = f"{_PLUGIN_CONFIG}[{name}]"
        entry = Fields(plugins.entries[name], place, self._report)
        location, embedded = entry.text("location"), entry.node("configuration")
        entry.finish()
        if location and embedded is not None:
            self._error(entry.line, invalid(place, "", "cannot specify both location and embedded config"))
        elif embedded is not None:
            return embedded, f"{place}.configuration", self._report
        elif location:
            return self._located_configuration(entry, location)
        else:
            self._error(entry.line, invalid(place, "", "must specify either a location or an embedded config"))
        return None

    def _located_configuration(self, entry: Fields, location: str) -> tuple[Node, str, Report] | None:
        file = self._referenced.name(location)
        exact = self._profile is Profile.OPENSHIFT_4
        try:
            text = decode_utf8(self._referenced.read(location), file)
            source = read_source(text, file, last_key_wins=exact, first_document_only=exact)
        except OSError as error:
            entry.error("location", f"{file} cannot be read: {error.strerror or error}")
            return None
        except InvalidPolicy as error:
            self._late += error.lines
            return None
        self._located.append(file)
        report = Report(file, lenient=exact, warnings=self._report.warnings)
        if len(source.documents) > 1:
            report.error(source.documents[1].line, "", "a second document; one file holds one configuration")
            self._collect(report)
        return source.documents[0], "", report

    def _image_format(self, fields: Fields) -> str:
        if not fields.has("imageConfig"):
            fields.ignore("imageConfig")
            return ""
        block = fields.child("imageConfig")
        image_format = block.text("format")
        block.flag("latest")
        block.finish()
        self._places["imageConfig.format"] = (self._report.file, block.line_of("format"))
        if not image_format:
            self._error(block.line, required("imageConfig.format"))
        return image_format

    def _error(self, line: int, error: FieldError) -> None:
        self._report.error(line, error.field, error.body)

    def _warn(self, line: int, error: FieldError) -> None:
        self._report.warn(line, error.field, error.body)


def _kind_of(node: Node) -> tuple[str, str]:
    """Kind and apiVersion of an object; empty if it has none."""
    entries = node.value if isinstance(node.value, dict) else {}
    texts = (entries[name].value if name in entries else "" for name in ("kind", "apiVersion"))
    kind, version = (text if isinstance(text, str) else "" for text in texts)
    return kind, version
