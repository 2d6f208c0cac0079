"""Merge strategies of strategic merge patches for the kinds that are served, by type and field.

Source: the tags ``patchStrategy`` and ``patchMergeKey`` of the published API definitions, which their OpenAPI shows as
``x-kubernetes-patch-strategy`` and ``x-kubernetes-patch-merge-key``: k8s.io/api v0.34.1, and openshift/api of
2025-10-15. A field that is not listed is merged if it is an object, and replaced otherwise. Types without
such fields are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class PatchField(NamedTuple):
    """The merge strategy of one field."""

    type: str = ""
    """Type of the object or of the list's entries; empty if nothing inside has a strategy."""
    merge_key: str = ""
    """The field that identifies an entry of a list whose entries are merged."""
    is_set: bool = False
    """A list of plain values to which a patch adds."""
    is_replaced: bool = False
    """An object that a patch replaces as a whole."""


def by(merge_key: str, type_: str = "") -> PatchField:
    """A list whose entries are identified by ``merge_key``."""
    return PatchField(type_, merge_key)


def object_of(type_: str) -> PatchField:
    """An object with such fields in it."""
    return PatchField(type_)


VALUES = PatchField(is_set=True)
REPLACED = PatchField(is_replaced=True)
OTHER = PatchField()

PATCH_TYPES: Mapping[str, Mapping[str, PatchField]] = {
    "apps.DaemonSet": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("apps.DaemonSetSpec"),
        "status": object_of("apps.DaemonSetStatus"),
    },
    "apps.DaemonSetSpec": {"template": object_of("core.PodTemplateSpec")},
    "apps.DaemonSetStatus": {"conditions": by("type")},
    "apps.Deployment": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("apps.DeploymentSpec"),
        "status": object_of("apps.DeploymentStatus"),
    },
    "apps.DeploymentSpec": {"template": object_of("core.PodTemplateSpec")},
    "apps.DeploymentStatus": {"conditions": by("type")},
    "apps.ReplicaSet": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("apps.ReplicaSetSpec"),
        "status": object_of("apps.ReplicaSetStatus"),
    },
    "apps.ReplicaSetSpec": {"template": object_of("core.PodTemplateSpec")},
    "apps.ReplicaSetStatus": {"conditions": by("type")},
    "apps.StatefulSet": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("apps.StatefulSetSpec"),
        "status": object_of("apps.StatefulSetStatus"),
    },
    "apps.StatefulSetSpec": {"template": object_of("core.PodTemplateSpec")},
    "apps.StatefulSetStatus": {"conditions": by("type")},
    "batch.CronJob": {"metadata": object_of("meta.ObjectMeta"), "spec": object_of("batch.CronJobSpec")},
    "batch.CronJobSpec": {"jobTemplate": object_of("batch.JobTemplateSpec")},
    "batch.Job": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("batch.JobSpec"),
        "status": object_of("batch.JobStatus"),
    },
    "batch.JobSpec": {"template": object_of("core.PodTemplateSpec")},
    "batch.JobStatus": {"conditions": by("type")},
    "batch.JobTemplateSpec": {"metadata": object_of("meta.ObjectMeta"), "spec": object_of("batch.JobSpec")},
    "core.ConfigMap": {"metadata": object_of("meta.ObjectMeta")},
    "core.Container": {
        "env": by("name"),
        "ports": by("containerPort"),
        "volumeDevices": by("devicePath"),
        "volumeMounts": by("mountPath"),
    },
    "core.EphemeralContainer": {
        "env": by("name"),
        "ports": by("containerPort"),
        "volumeDevices": by("devicePath"),
        "volumeMounts": by("mountPath"),
    },
    "core.EphemeralVolumeSource": {"volumeClaimTemplate": object_of("core.PersistentVolumeClaimTemplate")},
    "core.Event": {"metadata": object_of("meta.ObjectMeta")},
    "core.Namespace": {"metadata": object_of("meta.ObjectMeta"), "status": object_of("core.NamespaceStatus")},
    "core.NamespaceStatus": {"conditions": by("type")},
    "core.PersistentVolumeClaimTemplate": {"metadata": object_of("meta.ObjectMeta")},
    "core.Pod": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("core.PodSpec"),
        "status": object_of("core.PodStatus"),
    },
    "core.PodSpec": {
        "containers": by("name", "core.Container"),
        "ephemeralContainers": by("name", "core.EphemeralContainer"),
        "hostAliases": by("ip"),
        "imagePullSecrets": by("name"),
        "initContainers": by("name", "core.Container"),
        "resourceClaims": by("name"),
        "schedulingGates": by("name"),
        "topologySpreadConstraints": by("topologyKey"),
        "volumes": by("name", "core.Volume"),
    },
    "core.PodStatus": {
        "conditions": by("type"),
        "hostIPs": by("ip"),
        "podIPs": by("ip"),
        "resourceClaimStatuses": by("name"),
    },
    "core.PodTemplate": {"metadata": object_of("meta.ObjectMeta"), "template": object_of("core.PodTemplateSpec")},
    "core.PodTemplateSpec": {"metadata": object_of("meta.ObjectMeta"), "spec": object_of("core.PodSpec")},
    "core.LimitRange": {"metadata": object_of("meta.ObjectMeta")},
    "core.ResourceQuota": {"metadata": object_of("meta.ObjectMeta")},
    "core.ReplicationController": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("core.ReplicationControllerSpec"),
        "status": object_of("core.ReplicationControllerStatus"),
    },
    "core.ReplicationControllerSpec": {"template": object_of("core.PodTemplateSpec")},
    "core.ReplicationControllerStatus": {"conditions": by("type")},
    "core.Secret": {"metadata": object_of("meta.ObjectMeta")},
    "core.Service": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("core.ServiceSpec"),
        "status": object_of("core.ServiceStatus"),
    },
    "core.ServiceAccount": {"metadata": object_of("meta.ObjectMeta"), "secrets": by("name")},
    "core.ServiceSpec": {"ports": by("port")},
    "core.ServiceStatus": {"conditions": by("type")},
    "core.Volume": {"ephemeral": object_of("core.EphemeralVolumeSource")},
    "meta.ObjectMeta": {"finalizers": VALUES, "ownerReferences": by("uid")},
    "openshift/apps.DeploymentConfig": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("openshift/apps.DeploymentConfigSpec"),
        "status": object_of("openshift/apps.DeploymentConfigStatus"),
    },
    "openshift/apps.DeploymentConfigSpec": {"template": object_of("core.PodTemplateSpec")},
    "openshift/apps.DeploymentConfigStatus": {"conditions": by("type")},
    "openshift/build.Build": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("openshift/build.BuildSpec"),
        "status": object_of("openshift/build.BuildStatus"),
    },
    "openshift/build.BuildConfig": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("openshift/build.BuildConfigSpec"),
    },
    "openshift/build.BuildConfigSpec": {"strategy": object_of("openshift/build.BuildStrategy")},
    "openshift/build.BuildSpec": {"strategy": object_of("openshift/build.BuildStrategy")},
    "openshift/build.BuildStatus": {"conditions": by("type")},
    "openshift/build.BuildStrategy": {
        "dockerStrategy": object_of("openshift/build.DockerBuildStrategy"),
        "sourceStrategy": object_of("openshift/build.SourceBuildStrategy"),
    },
    "openshift/build.BuildVolume": {"mounts": by("destinationPath")},
    "openshift/build.DockerBuildStrategy": {"volumes": by("name", "openshift/build.BuildVolume")},
    "openshift/build.SourceBuildStrategy": {"volumes": by("name", "openshift/build.BuildVolume")},
    "openshift/image.Image": {
        "dockerImageMetadata": REPLACED,
        "metadata": object_of("meta.ObjectMeta"),
        "signatures": by("name", "openshift/image.ImageSignature"),
    },
    "openshift/image.ImageSignature": {"conditions": by("type"), "metadata": object_of("meta.ObjectMeta")},
    "openshift/image.ImageStream": {
        "metadata": object_of("meta.ObjectMeta"),
        "spec": object_of("openshift/image.ImageStreamSpec"),
        "status": object_of("openshift/image.ImageStreamStatus"),
    },
    "openshift/image.ImageStreamSpec": {"tags": by("name")},
    "openshift/image.ImageStreamStatus": {"tags": by("tag")},
    "openshift/image.ImageStreamTag": {
        "image": object_of("openshift/image.Image"),
        "metadata": object_of("meta.ObjectMeta"),
    },
    "openshift/image.ImageTag": {"image": object_of("openshift/image.Image"), "metadata": object_of("meta.ObjectMeta")},
    "openshift/project.Project": {
        "metadata": object_of("meta.ObjectMeta"),
        "status": object_of("openshift/project.ProjectStatus"),
    },
    "openshift/project.ProjectStatus": {"conditions": by("type")},
    "openshift/template.Template": {"metadata": object_of("meta.ObjectMeta")},
}

_KINDS: Mapping[str, str] = {
    "apps.openshift.io/v1 DeploymentConfig": "openshift/apps.DeploymentConfig",
    "apps/v1 DaemonSet": "apps.DaemonSet",
    "apps/v1 Deployment": "apps.Deployment",
    "apps/v1 ReplicaSet": "apps.ReplicaSet",
    "apps/v1 StatefulSet": "apps.StatefulSet",
    "batch/v1 CronJob": "batch.CronJob",
    "batch/v1 Job": "batch.Job",
    "build.openshift.io/v1 Build": "openshift/build.Build",
    "build.openshift.io/v1 BuildConfig": "openshift/build.BuildConfig",
    "image.openshift.io/v1 Image": "openshift/image.Image",
    "image.openshift.io/v1 ImageSignature": "openshift/image.ImageSignature",
    "image.openshift.io/v1 ImageStream": "openshift/image.ImageStream",
    "image.openshift.io/v1 ImageStreamTag": "openshift/image.ImageStreamTag",
    "image.openshift.io/v1 ImageTag": "openshift/image.ImageTag",
    "project.openshift.io/v1 Project": "openshift/project.Project",
    "template.openshift.io/v1 Template": "openshift/template.Template",
    "v1 ConfigMap": "core.ConfigMap",
    "v1 Event": "core.Event",
    "v1 LimitRange": "core.LimitRange",
    "v1 Namespace": "core.Namespace",
    "v1 Pod": "core.Pod",
    "v1 PodTemplate": "core.PodTemplate",
    "v1 ReplicationController": "core.ReplicationController",
    "v1 ResourceQuota": "core.ResourceQuota",
    "v1 Secret": "core.Secret",
    "v1 Service": "core.Service",
    "v1 ServiceAccount": "core.ServiceAccount",
}


def patch_type(api_version: str, kind: str) -> str:
    """The type of a kind in ``PATCH_TYPES``; empty for a kind without such fields."""
    return _KINDS.get(f"{api_version} {kind}", "")


def patch_field(type_: str, name: str) -> PatchField:
    """The merge strategy of this field of a type."""
    return PATCH_TYPES.get(type_, {}).get(name, OTHER)
