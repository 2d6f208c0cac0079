"""Defaults of the dry cluster's kinds, beyond those that the table of types has.

Source: the defaulting functions of Kubernetes (``pkg/apis/{core,apps,batch}/v1/defaults.go``) and of
openshift-apiserver (``pkg/{apps,build}/apis/*/v1/defaults.go``). A server applies them to each object that it receives,
before admission, and again to what admission makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from imagegate.core.cluster_kinds.default_rules import KUBERNETES_RULES
from imagegate.core.cluster_kinds.openshift_default_rules import OPENSHIFT_RULES
from imagegate.core.image_api.schema import TYPES
from imagegate.core.kube.quantity import Quantity

JsonObject = dict[str, Any]

_AMOUNTS = "{quantity}"
_CORE, _APPS, _BATCH = "io.k8s.api.core.v1.", "io.k8s.api.apps.v1.", "io.k8s.api.batch.v1."
_RETAINED = {"whenDeleted": "Retain", "whenScaled": "Retain"}
_CONSTANTS: Mapping[str, JsonObject] = {
    f"{_CORE}PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    },
    f"{_CORE}Container": {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    f"{_CORE}EphemeralContainer": {
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    },
    f"{_CORE}ContainerPort": {"protocol": "TCP"},
    f"{_CORE}Probe": {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    f"{_CORE}HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    f"{_CORE}GRPCAction": {"service": ""},
    f"{_CORE}ObjectFieldSelector": {"apiVersion": "v1"},
    f"{_CORE}ResourceFieldSelector": {"divisor": "0"},
    f"{_CORE}FileKeySelector": {"optional": False},
    f"{_CORE}HostPathVolumeSource": {"type": ""},
    f"{_CORE}SecretVolumeSource": {"defaultMode": 0o644},
    f"{_CORE}ConfigMapVolumeSource": {"defaultMode": 0o644},
    f"{_CORE}DownwardAPIVolumeSource": {"defaultMode": 0o644},
    f"{_CORE}ProjectedVolumeSource": {"defaultMode": 0o644},
    f"{_CORE}ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    f"{_CORE}PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    f"{_CORE}ISCSIVolumeSource": {"iscsiInterface": "default"},
    f"{_CORE}RBDVolumeSource": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    f"{_CORE}ScaleIOVolumeSource": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    f"{_CORE}AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "kind": "Shared",
        "readOnly": False,
    },
    f"{_CORE}ReplicationControllerSpec": {"replicas": 1},
    f"{_CORE}ServicePort": {"protocol": "TCP"},
    f"{_APPS}DeploymentSpec": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    f"{_APPS}DeploymentStrategy": {"type": "RollingUpdate"},
    f"{_APPS}RollingUpdateDeployment": {"maxUnavailable": "25%", "maxSurge": "25%"},
    f"{_APPS}DaemonSetSpec": {"revisionHistoryLimit": 10},
    f"{_APPS}DaemonSetUpdateStrategy": {"type": "RollingUpdate"},
    f"{_APPS}RollingUpdateDaemonSet": {"maxUnavailable": 1, "maxSurge": 0},
    f"{_APPS}ReplicaSetSpec": {"replicas": 1},
    f"{_APPS}StatefulSetSpec": {
        "replicas": 1,
        "podManagementPolicy": "OrderedReady",
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": {},
    },
    f"{_APPS}StatefulSetPersistentVolumeClaimRetentionPolicy": _RETAINED,
    f"{_BATCH}CronJobSpec": {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
    f"{_BATCH}PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
    "com.github.openshift.api.apps.v1.DeploymentStrategy": {"type": "Rolling", "activeDeadlineSeconds": 21_600},
    "com.github.openshift.api.apps.v1.RecreateDeploymentStrategyParams": {"timeoutSeconds": 600},
    "com.github.openshift.api.apps.v1.RollingDeploymentStrategyParams": {
        "intervalSeconds": 1,
        "updatePeriodSeconds": 1,
        "timeoutSeconds": 600,
    },
    "com.github.openshift.api.build.v1.BuildConfigSpec": {"runPolicy": "Serial"},
}
"""The value of a field that an object of the type does not have. Others depend on the rest of the object."""
_RULES = {**KUBERNETES_RULES, **OPENSHIFT_RULES}


def with_defaults(type_: str, found: JsonObject) -> JsonObject:
    """The object with its defaults.

    Args:
        type_: of the object, an entry of the table.
        found: the object as ``decoding.decoded`` returns it. Not changed.
    """
    return _struct(type_, found) if type_ in _types_with_defaults() else found


def _struct(type_: str, found: JsonObject) -> JsonObject:
    filled = dict(found)
    for name, value in _CONSTANTS.get(type_, {}).items():
        if filled.get(name) is None:
            filled[name] = dict(value) if isinstance(value, dict) else value
    for name, value in (_RULES[type_](filled) if type_ in _RULES else {}).items():
        if value is None:
            filled.pop(name, None)
        else:
            filled[name] = value
    for name, field in TYPES[type_].items():
        if filled.get(name) is not None:
            filled[name] = _value(field.type, filled[name])
    return filled


def _value(type_: str, value: Any) -> Any:
    if type_ == _AMOUNTS:
        return {name: str(Quantity.parse(amount).rounded_to_milli()) for name, amount in value.items()}
    bare = type_.strip("[]{}")
    if bare not in _types_with_defaults():
        return value
    if type_[0] == "[":
        return [_value(type_[1:-1], entry) for entry in value]
    if type_[0] == "{":
        return {key: _value(type_[1:-1], entry) for key, entry in value.items()}
    return _struct(type_, value)


@cache
def _types_with_defaults() -> frozenset[str]:
    """The types that have defaults, or that hold others that do."""
    found = {*_CONSTANTS, *_RULES}
    held = {type_: {field.type for field in TYPES[type_].values()} for type_ in TYPES}
    found |= {type_ for type_, types in held.items() if _AMOUNTS in types}
    before = 0
    while len(found) > before:
        before = len(found)
        found |= {type_ for type_, types in held.items() if not found.isdisjoint(each.strip("[]{}") for each in types)}
    return frozenset(found)
