"""Places of an object whose content changes no decision about its images: there a parameter may be unknown."""

from __future__ import annotations

from collections.abc import Mapping

from imagegate.core.admission.request import GroupKind
from imagegate.core.admission.workload import BUILDS, WORKLOADS
from imagegate.core.openshift_templates.substitution import Doubt, Path

IDENTITY: tuple[Path, ...] = (("apiVersion",), ("kind",), ("metadata", "namespace"))
"""Fields that say which policies apply."""
_METADATA: tuple[Path, ...] = (("metadata", "name"), ("metadata", "generateName"), ("metadata", "labels"))
_SELECTING: tuple[Path, ...] = (("spec", "selector"), ("spec", "volumeClaimTemplates"))
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_IN_CONTAINER = frozenset(
    ("args", "command", "env", "lifecycle", "livenessProbe", "ports", "readinessProbe", "resources", "volumeMounts")
)
_IN_VOLUME = frozenset(("configMap", "emptyDir", "hostPath", "persistentVolumeClaim", "secret"))
_HOOKS = frozenset(("bitbucket", "generic", "github", "gitlab"))


def is_settled(document: Mapping[str, object], doubt: Doubt) -> bool:
    """True if the decision about an object with images is the same, whatever stands at the place of ``doubt``.

    Only known fields of known kinds are: everything else might count.
    """
    path = doubt.path
    if doubt.has_no_value and path == ("metadata", "namespace"):
        return True  # an empty namespace is none
    version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return False
    group_kind = GroupKind(version.rpartition("/")[0], kind)
    if group_kind in BUILDS:
        return _begins(path, _METADATA) or _is_settled_in_build(path)
    shape = WORKLOADS.get(group_kind)
    if shape is None:
        return False
    template, spec = shape.template or (), shape.pod_spec
    own: tuple[Path, ...] = (*_METADATA, *_SELECTING, *((*template, *each) for each in _METADATA))
    return _begins(path, own) or (path[: len(spec)] == spec and _is_settled_in_pod(path[len(spec) :]))


def _begins(path: Path, prefixes: tuple[Path, ...]) -> bool:
    return any(path[: len(each)] == each for each in prefixes)


def _is_settled_in_pod(path: Path) -> bool:
    """``path`` is that below the pod spec."""
    if len(path) < 3:
        return False
    group, _, field = path[:3]
    return (group in _CONTAINERS and field in _IN_CONTAINER) or (group == "volumes" and field in _IN_VOLUME)


def _is_settled_in_build(path: Path) -> bool:
    if path[:2] == ("spec", "triggers"):
        return len(path) > 3 and path[3] in _HOOKS
    return path[:3] == ("spec", "source", "git") or (path[:2] == ("spec", "strategy") and path[3:4] == ("env",))
