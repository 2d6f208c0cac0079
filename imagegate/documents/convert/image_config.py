"""A 3.11 configuration as OpenShift 4's ``image.config.openshift.io/cluster``.

The import list is the same there. Execution rules have no place; where they only accept registries, nodes can be told
to pull from nowhere else (``registrySources``).
Source: docs/spec/image-policy.md 1.6; openshift/api, config/v1/types_image.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.registry_hosts import WELL_KNOWN_INTEGRATED
from imagegate.documents.convert.comments import Comments
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.convert.rules_to_entries import ConvertedRules, rules_to_entries
from imagegate.documents.master_config import MasterConfig

INTEGRATED = WELL_KNOWN_INTEGRATED[1]
_BLOCK = "imagePolicyConfig"
_DEFAULTS = ImagePolicyBlock()
_WITHOUT_FIELD = (
    ("maxImagesBulkImportedPerRepository", "max_images_bulk_imported_per_repository"),
    ("disableScheduledImport", "disable_scheduled_import"),
    ("scheduledImageImportMinimumIntervalSeconds", "scheduled_image_import_minimum_interval_s"),
    ("maxScheduledImageImportsPerMinute", "max_scheduled_image_imports_per_minute"),
)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The object as a YAML document, and every difference."""

    text: str
    losses: list[Loss]


def image_config(config: MasterConfig, text: str, *, allow_wider: bool = False) -> ImageConfig:
    """``config`` as far as the object can say it.

    Args:
        text: the document, for its comments.
        allow_wider: also name registries to nodes where that allows more than the rules.
    """
    rules = None if config.image_policy is None else rules_to_entries(config, text, allow_wider=allow_wider)
    return _Conversion(config, Comments(text)).run(rules, allow_wider=allow_wider)


class _Conversion:
    def __init__(self, config: MasterConfig, comments: Comments) -> None:
        self._config = config
        self._block = config.import_policy
        self._comments = comments
        self._losses: list[Loss] = []

    def run(self, rules: ConvertedRules | None, *, allow_wider: bool) -> ImageConfig:
        """The object."""
        spec = [*self._imports(), *self._externals(), *self._mode()]
        self._note_other_fields()
        if rules is not None:
            spec += self._sources(rules, allow_wider)
        if self._config.always_pull:
            text = "AlwaysPullImages: OpenShift 4 has no such switch; imagegate's alwaysPull, or an admission plug-in"
            self._lose("admissionConfig.pluginConfig", text, Effect.UNENFORCED)
        head = ["apiVersion: config.openshift.io/v1", "kind: Image", "metadata:", "  name: cluster"]
        lines = [*head, "spec:" if spec else "spec: {}", *(f"  {line}" for line in spec)]
        return ImageConfig("\n".join(lines) + "\n", self._losses)

    def _lose(self, path: str, text: str, effect: Effect = Effect.NOTE, line: int = 1) -> None:
        self._losses.append(Loss(self._config.file, line, path, text, effect))

    def _imports(self) -> Iterator[str]:
        entries = self._block.allowed_registries_for_import
        if entries is None:
            return
        yield "allowedRegistriesForImport:"
        written = False
        for index, (entry, line) in enumerate(zip(entries, self._block.allowed_registry_lines, strict=True)):
            place = f"{_BLOCK}.allowedRegistriesForImport[{index}]"
            if entry.repository:
                text = f"{go_quote(entry.repository)}: OpenShift knows no repositories here: left out"
                self._lose(place, text, Effect.NARROWER, line)
                continue
            yield from (f"  # {comment}".rstrip() for comment in self._comments.at(line))
            domain = entry.domain_name.lower()
            if domain != entry.domain_name:
                self._lose(place, f"OpenShift compares case by case: written as {domain}", line=line)
            yield f"  - domainName: {json.dumps(domain)}"
            if entry.insecure:
                yield "    insecure: true"
            written = True
        if not written:
            yield "  # an empty list would allow everything"
            yield f"  - domainName: {json.dumps(INTEGRATED)}"
            self._lose(f"{_BLOCK}.allowedRegistriesForImport", "only the integrated registry is allowed: it is named")

    def _externals(self) -> Iterator[str]:
        if self._block.external_registry_hostnames:
            yield "externalRegistryHostnames:"
            yield from (f"  - {json.dumps(name)}" for name in self._block.external_registry_hostnames)
        if self._block.internal_registry_hostname:
            text = "OpenShift 4 sets status.internalRegistryHostname itself"
            self._lose(f"{_BLOCK}.internalRegistryHostname", text)

    def _mode(self) -> Iterator[str]:
        if self._block.image_stream_import_mode != _DEFAULTS.image_stream_import_mode:
            yield f"imageStreamImportMode: {self._block.image_stream_import_mode}"

    def _note_other_fields(self) -> None:
        if self._block.additional_trusted_ca:
            text = "put the file into a ConfigMap of openshift-config, a key for each registry, and name it in the spec"
            self._lose(f"{_BLOCK}.additionalTrustedCA", text)
        for name, attribute in _WITHOUT_FIELD:
            if getattr(self._block, attribute) != getattr(_DEFAULTS, attribute):
                self._lose(f"{_BLOCK}.{name}", "OpenShift 4 has no such field")
        if self._config.image_format:
            self._lose("imageConfig.format", "OpenShift 4 has no such field")

    def _sources(self, rules: ConvertedRules, allow_wider: bool) -> Iterator[str]:
        """``registrySources``: the registries that nodes pull from, or do not."""
        everything = any(entry.name == "*" for entry in rules.entries)
        rejected = [entry.name.removesuffix("/*") for entry in rules.entries if entry.reject]
        allowed = [entry.name.removesuffix("/*") for entry in rules.entries if not entry.reject]
        names = [name for name in (rejected if everything else allowed) if self._is_name(name, allow_wider)]
        if not names or (rejected and not everything):
            self._note_unenforced(rules, everything and not rejected)
            return
        self._losses += rules.losses
        field = "blockedRegistries" if everything else "allowedRegistries"
        if not everything:
            text = (
                f"nodes pull from these registries only, in all namespaces: add {INTEGRATED}, quay.io and "
                "registry.redhat.io, which OpenShift itself needs"
            )
            self._lose("executionRules", text, Effect.NARROWER)
        yield "registrySources:"
        yield f"  {field}:"
        yield from (f"    - {json.dumps(name)}" for name in names)

    def _is_name(self, name: str, allow_wider: bool) -> bool:
        if "*" not in name:
            return True
        domain = name.removeprefix("*.")
        if "*" in domain or ":" in domain:
            self._lose("executionRules", f"{go_quote(name)} is no pattern of OpenShift: left out", Effect.NARROWER)
            return False
        if allow_wider:
            self._lose("executionRules", f"{go_quote(name)} is for every port", Effect.WIDER)
            return True
        text = f"{go_quote(name)} would be for every port: left out; see --allow-wider"
        self._lose("executionRules", text, Effect.NARROWER)
        return False

    def _note_unenforced(self, rules: ConvertedRules, allows_everything: bool) -> None:
        """The rules are not in the object at all: what they deny is still allowed there."""
        for loss in rules.losses:
            self._losses.append(loss._replace(effect=Effect.UNENFORCED) if loss.changes_verdicts else loss)
        if not allows_everything:
            text = "no registrySources are written: the object cannot say these rules; keep imagegate's image policy"
            self._lose("executionRules", text, Effect.UNENFORCED)
