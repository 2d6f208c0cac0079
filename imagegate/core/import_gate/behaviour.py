"""The import gate's choices where the original's versions, its documentation and safety disagree.

One field per choice; the two profiles are presets, and a setting changes single fields (docs/spec/import-gate.md 10).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from imagegate.core.profile import Profile


class Grandfather(enum.Enum):
    """Old references of an object that stay allowed although the list no longer allows them."""

    REPOSITORY = "repository"
    EXACT = "exact"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateBehaviour:
    """Differences between the profiles, and options. Defaults are those of ``documented``."""

    empty_list_allows_all: bool = False
    """``[]`` means the same as an absent list (OpenShift 4); otherwise only the integrated registry is allowed."""
    lists_file_order: bool = False
    """Messages list the rules in file order with the integrated registry first, not reversed and without it."""
    fold_case: bool = True
    """Hosts are compared without regard to the case of ASCII letters."""
    gates_missing_name: bool = False
    """A missing ``from.name`` is also refused as an image of Docker Hub."""
    imports_star: bool = False
    """``*`` is accepted as the source of an import (and counts as Docker Hub)."""
    grandfather: Grandfather = Grandfather.REPOSITORY
    registry_is_repository: bool = False
    """An old reference that names a registry and nothing else keeps every other such reference allowed."""
    tells_existence: bool = False
    """Users without access to a project's streams learn from errors if the one that a tag points to exists."""
    schedule_inherits: bool = False
    """Old references of a stream that stay allowed are also imported in the background, as in the original."""
    insecure_import_falls_back: bool = False
    """Imports marked insecure also accept rules for port 443 (``insecureFallback: both``)."""
    reviews_mappings: bool = False
    """Users who may create ``imagestreammappings`` in the namespace skip the check of imports."""
    bypass_is_full: bool = False
    """Users who skip the check of imports also skip that of the image stream (``privilegedImportBypass: full``)."""
    lists_rules: bool = True
    """Messages name the rules (``messages.listRules``)."""
    names_nearest_rule: bool = False
    """Messages also tell the entry that comes nearest to allowing the image, and which part of it differs.

    Off here, where texts are the original's; on by the setting ``messages.nearestRule``.
    """
    modern_words: bool = False
    """Messages say "list of allowed registries" for "whitelist" (``messages.style: modern``)."""


DOCUMENTED = GateBehaviour()
OPENSHIFT_4 = GateBehaviour(
    empty_list_allows_all=True,
    lists_file_order=True,
    fold_case=False,
    gates_missing_name=True,
    imports_star=True,
    registry_is_repository=True,
    tells_existence=True,
    schedule_inherits=True,
)


def behaviour_of(profile: Profile) -> GateBehaviour:
    """The profile's behaviour; settings change single fields of it."""
    return OPENSHIFT_4 if profile is Profile.OPENSHIFT_4 else DOCUMENTED
