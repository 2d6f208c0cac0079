"""Mirrors of registries: other places of an image, and whether its own registry may be used at all.

Meaning of ImageContentSourcePolicy, ImageDigestMirrorSet and ImageTagMirrorSet (OpenShift): the rule with the longest
matching source counts; its mirrors are tried in order, then the source unless a rule forbids it. A source is a
registry, a registry with a path (matched on segment boundaries) or ``*.example.com``. Registries are compared in their
canonical form, so that no spelling of a source gets around ``never_contact_source``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from imagegate.core.references.openshift import ImageReference


class MirrorUse(StrEnum):
    """For which references a rule's mirrors are used."""

    DIGEST = "digest"  # ImageDigestMirrorSet, ImageContentSourcePolicy
    TAG = "tag"  # ImageTagMirrorSet
    ANY = "any"


@dataclass(frozen=True, slots=True)
class MirrorRule:
    """One source and its mirrors, each ``HOST[:PORT][/PATH]``; the path below the source stays."""

    source: str
    mirrors: tuple[str, ...]
    use: MirrorUse = MirrorUse.DIGEST
    never_contact_source: bool = False

    def covers(self, image: ImageReference) -> bool:
        """True if the rule is for ``image``, a reference with Docker's defaults filled in."""
        if self.use is not MirrorUse.ANY and (self.use is MirrorUse.DIGEST) != bool(image.id):
            return False
        return self.is_about(image)

    def is_about(self, image: ImageReference) -> bool:
        """True if ``image`` is at the source, whether its mirrors are used for it or not."""
        return self._rest(_location(image)) is not None

    def _rest(self, location: str) -> str | None:
        """The part of ``HOST/PATH`` below the source, with its slash; None if it is elsewhere."""
        source = _canonical(self.source)
        if source.startswith("*."):
            host, slash, path = location.partition("/")
            return slash + path if host.endswith(source[1:]) and len(host) > len(source) - 1 else None
        if location == source:
            return ""
        return location[len(source) :] if location.startswith(source + "/") else None

    def mirrored(self, image: ImageReference) -> tuple[ImageReference, ...]:
        """The image at each mirror, in order."""
        rest = self._rest(_location(image)) or ""
        return tuple(_moved_to(image, mirror + rest) for mirror in self.mirrors)


def places_of(image: ImageReference, rules: Sequence[MirrorRule]) -> tuple[ImageReference, ...]:
    """References to try for ``image`` (Docker's defaults filled in), in order; the image itself without a rule.

    A source that must not be contacted is not contacted for any reference, by tag or by digest, as on a node: there it
    is a blocked registry. Then there may be no place at all.
    """
    places = mirrors_of(image, rules)
    return places if _is_closed(image, rules) else (*places, image)


def mirrors_of(image: ImageReference, rules: Sequence[MirrorRule]) -> tuple[ImageReference, ...]:
    """The mirrors of ``image``, in order; of rules with equal sources the first counts."""
    covering = [rule for rule in rules if rule.covers(image)]
    return max(covering, key=_length).mirrored(image) if covering else ()


def _is_closed(image: ImageReference, rules: Sequence[MirrorRule]) -> bool:
    """True if one of the rules with the longest source, for tags or digests, says that it must not be contacted."""
    found = [rule for rule in rules if rule.is_about(image)]
    longest = max(map(_length, found), default=(False, 0))
    return any(rule.never_contact_source for rule in found if _length(rule) == longest)


def _length(rule: MirrorRule) -> tuple[bool, int]:
    """Larger for the more specific source."""
    return not rule.source.startswith("*."), len(rule.source)


def _location(image: ImageReference) -> str:
    return _canonical(f"{image.registry}/{image.repository_name}")


def _canonical(location: str) -> str:
    """``HOST[:PORT][/PATH]`` or ``*.DOMAIN`` with a canonical host."""
    registry, slash, path = location.partition("/")
    from imagegate.core.registry.egress import canonical_registry  # imported when there are mirrors

    return f"{canonical_registry(registry)}{slash}{path}"


def _moved_to(image: ImageReference, location: str) -> ImageReference:
    registry, _, path = location.partition("/")
    namespace, slash, name = path.partition("/")
    return replace(image, registry=registry, namespace=namespace if slash else "", name=name if slash else namespace)
