"""The original behaviour to follow (docs/spec/image-policy.md 0)."""

from __future__ import annotations

import enum


class Profile(enum.StrEnum):
    """``documented``: the manual, with the safer choices on. ``openshift-4``: the current plug-in, bit for bit."""

    DOCUMENTED = "documented"
    OPENSHIFT_4 = "openshift-4"
