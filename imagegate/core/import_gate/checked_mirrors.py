"""Mirrors that an import may be fetched from, for ``checkMirrors`` (docs/spec/import-gate.md 10 row 16)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.mirrors import MirrorRule, mirrors_of

_SOME_DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class CheckedMirrors:
    """The mirror rules of the registry client."""

    rules: Callable[[], Sequence[MirrorRule] | None]
    """None: they are not known yet."""
    insecure: frozenset[str] = frozenset()
    """``HOST[:PORT]`` that may be used without TLS, in lower case."""

    def places(self, reference: ImageReference) -> tuple[tuple[ImageReference, Transport], ...] | None:
        """Every mirror that an import of ``reference`` may contact; None if that is not known.

        An import by tag contacts mirrors for digests too: what it finds is fetched by digest.
        """
        rules = self.rules()
        if rules is None:
            return None
        image = reference.with_docker_defaults()
        by_digest = image if image.id else replace(image, tag="", id=_SOME_DIGEST)
        found = dict.fromkeys((*mirrors_of(image, rules), *mirrors_of(by_digest, rules)))
        return tuple((mirror, self._transport(mirror)) for mirror in found)

    def _transport(self, mirror: ImageReference) -> Transport:
        return Transport.ANY if mirror.registry.lower() in self.insecure else Transport.SECURE
