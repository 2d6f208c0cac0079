"""Default policies that depend on where imagegate is installed; the fixed ones are files under ``config/policies``."""

from __future__ import annotations

from collections.abc import Iterable

from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup


def own_namespace_policy(namespace: str, image: str, group: PolicyGroup = PolicyGroup.PORTIERIS) -> str:
    """The ImagePolicy that keeps imagegate from denying itself, as a YAML document.

    Args:
        namespace: where imagegate is installed.
        image: its image without tag and digest, which stands for every tag and digest of it.
        group: the API group to write it in.
    """
    return _document(
        "This policy prevents imagegate from blocking itself.", group, IMAGE_POLICY, "imagegate", namespace, [image]
    )


def allowed_repositories_policy(
    repositories: Iterable[str] = ("*",), group: PolicyGroup = PolicyGroup.PORTIERIS
) -> str:
    """The ClusterImagePolicy ``default`` of Portieris' value ``clusterPolicy.allowedRepositories``, as YAML."""
    return _document(
        "Images of these repositories may run, with no check, where no ImagePolicy says otherwise.",
        group,
        CLUSTER_IMAGE_POLICY,
        "default",
        "",
        repositories,
    )


def _document(
    comment: str, group: PolicyGroup, kind: str, name: str, namespace: str, repositories: Iterable[str]
) -> str:
    lines = [f"# {comment}", f"apiVersion: {group.value}", f"kind: {kind}", "metadata:", f"  name: {name}"]
    if namespace:
        lines.append(f"  namespace: {namespace}")
    lines += ["spec:", "  repositories:"]
    for repository in repositories:
        escaped = repository.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'    - name: "{escaped}"')
    return "\n".join(lines) + "\n"
