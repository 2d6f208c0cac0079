"""The section ``guard``: policies that would lock out imagegate itself, or the cluster's system pods."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.settings.schema import choice, text, texts

SYSTEM_NAMESPACE = "kube-system"
DEFAULT_NAMESPACE = "imagegate"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Guard against policies that deny images without which nothing can start again."""

    lockout: str = choice(
        "refuse",
        ("refuse", "warn"),
        "Policies that deny a guarded image: refuse them, at the start and when their objects change, or only warn.",
    )
    images: tuple[str, ...] = texts("Images of imagegate's own pods, as their manifests write them.")
    own_namespace: str = text(
        "", "Namespace of imagegate; empty: that of its service account in a pod, else `imagegate`."
    )
    namespaces: tuple[str, ...] = texts(
        "Other namespaces whose pods must be able to start. With a `cluster` block the images of their pods, and of"
        " imagegate's namespace, are guarded.",
        default=(SYSTEM_NAMESPACE,),
    )
