"""Which registry names mean the integrated registry.

Source: docs/spec/image-policy.md 14 row 4.
"""

from __future__ import annotations

from functools import lru_cache

from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.references.registry_hosts import WELL_KNOWN_INTEGRATED, all_places, places, spelled


def is_integrated(registry: str, behaviour: Behaviour) -> bool:
    """True if ``registry`` is one of the configured names, in any spelling where the behaviour says so."""
    names = behaviour.integrated_registries
    if not registry or not names:
        return False
    return spelled(registry) in _spellings(names) if behaviour.canonical_integrated else registry in names


def may_be_integrated(registry: str, behaviour: Behaviour) -> bool:
    """True if a node may find the integrated registry by this name: any of its names, in any spelling."""
    names = behaviour.integrated_registries
    if not registry or not names:
        return False
    return not places(registry).isdisjoint(_places(names, behaviour.external_registries))


@lru_cache(maxsize=16)
def _spellings(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(spelled(name) for name in names)


@lru_cache(maxsize=16)
def _places(names: tuple[str, ...], external: tuple[str, ...]) -> frozenset[str]:
    return all_places((*names, *external, *WELL_KNOWN_INTEGRATED))
