"""The ``imagePolicyConfig`` block (docs/spec/image-policy.md 1.6; docs/spec/import-gate.md 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imagegate.core.import_gate.config import (
    IMPORT_MODE_LEGACY,
    IMPORT_MODE_PRESERVE_ORIGINAL,
    NO_LIMIT,
    ImagePolicyBlock,
)
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.kube.field_errors import invalid
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.profile import Profile
from imagegate.documents.yaml.fields import Fields
from imagegate.documents.yaml.hints import hint_for_callout

DEFAULTS = ImagePolicyBlock()
_HOST_FORM = "must be registry.url.local[:port]"


def read_image_policy_block(fields: Fields, profile: Profile, exists: Callable[[str], bool]) -> ImagePolicyBlock:
    """Read the block; errors are recorded in the report of ``fields``.

    Args:
        fields: the block, empty where the file has none.
        profile: ``documented`` applies the checks of 3.x to the allowed registries.
        exists: whether a file named by a path is there.
    """
    external = fields.text("externalRegistryHostname")
    externals = fields.texts("externalRegistryHostnames") or ()
    registries = fields.each("allowedRegistriesForImport", _allowed_registry)
    if registries is not None:
        _check_allowed_registries(fields, registries, profile)
    block = ImagePolicyBlock(
        max_images_bulk_imported_per_repository=_count(
            fields, "maxImagesBulkImportedPerRepository", DEFAULTS.max_images_bulk_imported_per_repository
        ),
        disable_scheduled_import=fields.flag("disableScheduledImport"),
        scheduled_image_import_minimum_interval_s=_count(
            fields,
            "scheduledImageImportMinimumIntervalSeconds",
            DEFAULTS.scheduled_image_import_minimum_interval_s,
            unlimited=False,
        ),
        max_scheduled_image_imports_per_minute=_count(
            fields, "maxScheduledImageImportsPerMinute", DEFAULTS.max_scheduled_image_imports_per_minute
        ),
        allowed_registries_for_import=registries,
        internal_registry_hostname=_hostname(fields, "internalRegistryHostname"),
        external_registry_hostnames=tuple(name for name in (external, *externals) if name),
        additional_trusted_ca=_trusted_ca(fields, exists),
        image_stream_import_mode=_import_mode(fields),
        allowed_registry_lines=tuple(item.line for item in fields.items("allowedRegistriesForImport") or ()),
    )
    fields.finish()
    return block


def _count(fields: Fields, name: str, default: int, *, unlimited: bool = True) -> int:
    """A positive number, or ``NO_LIMIT`` where that is allowed; 0 counts as unset."""
    value = fields.integer(name, 0) or default
    if value < 0 and not (unlimited and value == NO_LIMIT):
        detail = "must be a positive integer or -1" if unlimited else "must be a positive integer"
        fields.error(name, invalid(name, value, detail).body)
        return default
    return value


def _hostname(fields: Fields, name: str) -> str:
    value = fields.text(name)
    if value != "".join(value.split()) or "/" in value:
        fields.error(name, f"{go_quote(value)} is not host[:port]{hint_for_callout(value)}")
        return ""
    return value


def _trusted_ca(fields: Fields, exists: Callable[[str], bool]) -> str:
    path = fields.text("additionalTrustedCA")
    if path and not exists(path):
        fields.error("additionalTrustedCA", f"no such file: {path}")
        return ""
    return path


def _import_mode(fields: Fields) -> str:
    modes = (IMPORT_MODE_LEGACY, IMPORT_MODE_PRESERVE_ORIGINAL)
    return fields.choice("imageStreamImportMode", modes, "") or IMPORT_MODE_LEGACY


def _allowed_registry(fields: Fields) -> AllowedRegistry:
    return AllowedRegistry(fields.text("domainName"), fields.flag("insecure"), fields.text("repository"))


def _check_allowed_registries(fields: Fields, registries: tuple[AllowedRegistry, ...], profile: Profile) -> None:
    lines = [item.line for item in fields.items("allowedRegistriesForImport") or ()]
    for index, (registry, line) in enumerate(zip(registries, lines, strict=True)):
        place = f"{fields.path}[{index}].allowedRegistriesForImport.domainName"
        if profile is Profile.OPENSHIFT_4:
            if registry.domain_name.count(":") > 1:
                place = f"{fields.path}.allowedRegistriesForImport[{index}]"
                quoted = go_quote(registry.domain_name)
                fields.report.error(line, place, f"failed to parse allowed registry {quoted}: too many colons")
            continue
        for detail in _problems(registry.domain_name):
            fields.report.error(line, place, invalid(place, registry.domain_name, detail).body)


def _problems(domain_name: str) -> Iterator[str]:
    """The errors of the 3.x master, without its check for a numeric port, which contradicts the manual's ``*:*``."""
    if not domain_name:
        yield "cannot be an empty string"
    if not domain_name.partition(":")[0]:
        yield f"invalid domain specified, {_HOST_FORM}"
    if domain_name.count(":") > 1:
        yield f"invalid format, {_HOST_FORM}"
    if domain_name != "".join(domain_name.split()):
        yield f"invalid format, {_HOST_FORM}{hint_for_callout(domain_name)}"
