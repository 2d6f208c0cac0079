"""A folder of OCI image layouts in the place of registries: for checks without a network, and for tests.

``DIRECTORY/HOST[:PORT]/REPOSITORY`` is one layout (image-spec 1.1, image-layout): ``index.json`` names manifests, their
annotation ``org.opencontainers.image.ref.name`` is the tag, everything else is found by digest below ``blobs``. Digests
are checked as they are for registries over HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import (
    MANIFEST_MAX_BYTES,
    Manifest,
    bounded_json_object,
    digest_of,
    is_strict_digest,
    parse_manifest,
)
from imagegate.errors import EvidenceError, Malformed, TooLarge
from imagegate.ports.registry import ANONYMOUS, Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

T = TypeVar("T")

REF_NAME = "org.opencontainers.image.ref.name"
CONFIG_MAX_BYTES = 8 * 1024 * 1024
_LOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*(?:/[a-z0-9][a-z0-9._-]*)+")


class OciLayoutRegistry:
    """The ``Registry`` port over ``directory``. Reads at every question; safe for threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def manifest(
        self,
        image: ImageReference,
        *,
        access: RegistryAccess = ANONYMOUS,  # noqa: ARG002 - a folder needs no credentials
        deadline_s: float,  # noqa: ARG002 - nor is it waited for
    ) -> Lookup[Manifest]:
        """See ``ports.registry``."""
        return self._ask(image, lambda layout: layout.manifest(image.with_docker_defaults()))

    def config(
        self,
        image: ImageReference,
        manifest: Manifest,
        *,
        access: RegistryAccess = ANONYMOUS,  # noqa: ARG002
        deadline_s: float,  # noqa: ARG002
    ) -> Lookup[bytes]:
        """See ``ports.registry``."""
        descriptor = manifest.config
        if descriptor is None:
            return Absent("a manifest of this kind has no configuration")
        return self._ask(image, lambda layout: layout.blob(descriptor.digest, CONFIG_MAX_BYTES))

    def tags(
        self,
        repository: ImageReference,
        *,
        access: RegistryAccess = ANONYMOUS,  # noqa: ARG002
        deadline_s: float,  # noqa: ARG002
    ) -> Lookup[tuple[str, ...]]:
        """See ``ports.registry``."""
        return self._ask(repository, lambda layout: tuple(layout.tagged()))

    def signatures(
        self,
        image: ImageReference,
        digest: str,  # noqa: ARG002
        *,
        access: RegistryAccess = ANONYMOUS,  # noqa: ARG002
        deadline_s: float,  # noqa: ARG002
    ) -> Lookup[tuple[bytes, ...]]:
        """See ``ports.registry``: a layout has no such extension."""
        return Absent(f"the layout of {image.as_repository().exact} has no signature extension")

    def _ask(self, image: ImageReference, question: Callable[[_Layout], T | None]) -> Lookup[T]:
        place = image.with_docker_defaults()
        location = f"{place.registry}/{place.repository_name}"
        if _LOCATION.fullmatch(location) is None:
            return RegistryUnknown(
                f"{location[:200]!r} is not a repository", retryable=False, error_kind=RegistryErrorKind.MALFORMED
            )
        layout = _Layout(self._directory / location)
        try:
            answer = question(layout)
        except FileNotFoundError:
            answer = None
        except _Integrity as error:
            return RegistryUnknown(str(error), retryable=False, error_kind=RegistryErrorKind.INTEGRITY)
        except TooLarge as error:
            return RegistryUnknown(str(error), retryable=False, error_kind=RegistryErrorKind.TOO_LARGE)
        except EvidenceError as error:
            return RegistryUnknown(str(error), retryable=False, error_kind=RegistryErrorKind.MALFORMED)
        except OSError as error:
            return RegistryUnknown(f"cannot read {layout.directory}: {error}", error_kind=RegistryErrorKind.UNREACHABLE)
        if answer is None:
            return Absent(f'dockerimage.image.openshift.io "{place.most_specific().exact}" not found')
        return Found(answer, str(layout.directory))


class _Integrity(EvidenceError):
    """A file does not have the digest that it is named by."""


class _Layout:
    """One repository."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def manifest(self, image: ImageReference) -> Manifest | None:
        if image.id:
            entry: dict[str, Any] = {"digest": image.id}
        else:
            found = self.tagged().get(image.tag)
            if found is None:
                return None
            entry = found
        digest, media_type = str(entry["digest"]), entry.get("mediaType", "")
        raw = self.blob(digest, MANIFEST_MAX_BYTES)
        manifest = parse_manifest(raw, media_type, algorithm=digest.partition(":")[0])
        if manifest.digest != digest:
            raise _Integrity(f"{digest} is the digest of an unsigned form of {manifest.digest}")
        return manifest

    def blob(self, digest: str, max_bytes: int) -> bytes:
        """Raises ``FileNotFoundError``, ``EvidenceError``, ``OSError``."""
        if not is_strict_digest(digest):
            raise Malformed(f"{digest[:200]!r} is not a sha256 or sha512 digest")
        algorithm, _, value = digest.partition(":")
        content = _read(self.directory / "blobs" / algorithm / value, max_bytes)
        if digest_of(content, algorithm) != digest:
            raise _Integrity(f"content integrity error: {self.directory} holds other content as {digest}")
        return content

    def tagged(self) -> dict[str, dict[str, Any]]:
        """Tag -> descriptor, in the order of ``index.json``."""
        index = bounded_json_object(_read(self.directory / "index.json", MANIFEST_MAX_BYTES), "index.json")
        entries = index.get("manifests")
        if not isinstance(entries, list):
            raise Malformed(f"{self.directory}/index.json has no manifests")
        tagged: dict[str, dict[str, Any]] = {}
        for entry in entries:
            if not isinstance(entry, dict) or not is_strict_digest(entry.get("digest")):
                raise Malformed(f"{self.directory}/index.json has an entry without digest")
            name = (entry.get("annotations") or {}).get(REF_NAME)
            if isinstance(name, str):
                tagged[name] = entry
        return tagged


def _read(file: Path, max_bytes: int) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLarge(f"{file} is larger than {max_bytes} bytes")
    return content


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Registry] = OciLayoutRegistry
