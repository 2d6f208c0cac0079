"""The ``imagePolicyConfig`` block of a master-config.yaml as a value (docs/spec/image-policy.md 1.6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagegate.core.import_gate.rules import AllowedRegistry

NO_LIMIT = -1
IMPORT_MODE_LEGACY = "Legacy"
IMPORT_MODE_PRESERVE_ORIGINAL = "PreserveOriginal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePolicyBlock:
    """Registries that images may be imported from, and limits of imports; the defaults are the original's."""

    max_images_bulk_imported_per_repository: int = 50
    """Tags fetched by a repository import; ``NO_LIMIT``: all."""
    disable_scheduled_import: bool = False
    scheduled_image_import_minimum_interval_s: int = 900
    max_scheduled_image_imports_per_minute: int = 60
    """``NO_LIMIT``: no limit."""
    allowed_registries_for_import: tuple[AllowedRegistry, ...] | None = None
    """None: everything may be imported."""
    internal_registry_hostname: str = ""
    """``host[:port]`` of the integrated registry, or empty."""
    external_registry_hostnames: tuple[str, ...] = ()
    """The first is used for ``status.publicDockerImageRepository``."""
    additional_trusted_ca: str = ""
    """Resolved path of a PEM bundle trusted for imports, or empty."""
    image_stream_import_mode: str = IMPORT_MODE_LEGACY
    """``importMode`` of new tags."""
    unavailable: str = ""
    """Why it is not known what may be imported; then nothing may."""
    allowed_registry_lines: tuple[int, ...] = field(default=(), compare=False)
    """The line of each allowed registry, for messages."""
