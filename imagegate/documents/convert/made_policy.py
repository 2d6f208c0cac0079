"""ClusterImagePolicy and ImagePolicy objects that a conversion makes, as text with comments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup


@dataclass(frozen=True, slots=True)
class MadeEntry:
    """One of ``repositories``: allows the images that its name matches, or rejects them."""

    name: str
    reject: bool = False
    comments: tuple[str, ...] = ()


def policy_text(
    group: PolicyGroup, name: str, entries: Sequence[MadeEntry], *, namespace: str = "", comments: Iterable[str] = ()
) -> str:
    """One object as a YAML document; in a namespace an ImagePolicy."""
    lines = [f"# {comment}".rstrip() for comment in comments]
    lines += [
        f"apiVersion: {group.value}",
        f"kind: {IMAGE_POLICY if namespace else CLUSTER_IMAGE_POLICY}",
        "metadata:",
        f"  name: {json.dumps(name)}",
        *([f"  namespace: {json.dumps(namespace)}"] if namespace else ()),
        "spec:",
        "  repositories:" if entries else "  repositories: []",
    ]
    for entry in entries:
        lines += [f"    # {comment}".rstrip() for comment in entry.comments]
        lines.append(f"    - name: {json.dumps(entry.name)}")
        if entry.reject:
            lines += [
                "      policy:",
                "        simple:",
                "          requirements:",
                "            - type: reject",
            ]
        else:
            lines.append("      policy: {}")
    return "\n".join(lines) + "\n"
