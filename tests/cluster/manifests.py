"""New objects that are sent to a real API server and to the dry cluster, to compare what becomes of them."""

from __future__ import annotations

from typing import Any, NamedTuple

JsonObject = dict[str, Any]
LABELS = {"app": "a", "tier": "b"}
SELECTOR = {"matchLabels": {"app": "a"}}
IMAGE = "docker.io/org/a:v1"
_DIGEST = f"sha256:{'a' * 64}"
IMAGES = (
    *("a", "a:latest", "a:v1", "docker.io/org/a", "org/a:latest", "localhost:5000/a", "localhost:5000/a:latest"),
    *(f"a@{_DIGEST}", f"a:latest@{_DIGEST}", f"a:v1@{_DIGEST}", "a:LATEST", "r.example.com:8443/x/y/z:latest-1"),
)


class Manifest(NamedTuple):
    """An object to be created, and the resource that it is created through."""

    name: str
    """Of the case."""
    api_version: str
    kind: str
    fields: JsonObject

    @property
    def path(self) -> str:
        """Without the server."""
        base = f"apis/{self.api_version}" if "/" in self.api_version else f"api/{self.api_version}"
        plural = f"{self.kind.lower()}s"
        return f"/{base}/namespaces/compared/{plural}?dryRun=All"

    @property
    def body(self) -> JsonObject:
        """The whole object."""
        metadata = {"name": "a", **self.fields.get("metadata", {})}
        return {"apiVersion": self.api_version, "kind": self.kind, **self.fields, "metadata": metadata}


def container(**fields: Any) -> JsonObject:
    return {"name": "c", "image": IMAGE, **fields}


def pod(name: str, *containers: JsonObject, **spec: Any) -> Manifest:
    return Manifest(name, "v1", "Pod", {"spec": {"containers": list(containers) or [container()], **spec}})


def template(**spec: Any) -> JsonObject:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [container()], **spec}}


def workload(name: str, kind: str, **spec: Any) -> Manifest:
    return Manifest(name, "apps/v1", kind, {"spec": {"selector": SELECTOR, "template": template(), **spec}})


def service(name: str, **spec: Any) -> Manifest:
    return Manifest(name, "v1", "Service", {"spec": spec})


def secret(name: str, type_: str = "", **fields: Any) -> Manifest:
    return Manifest(name, "v1", "Secret", {**({"type": type_} if type_ else {}), **fields})


def limits(name: str, *items: JsonObject) -> Manifest:
    return Manifest(name, "v1", "LimitRange", {"spec": {"limits": list(items)}})


def job(name: str, **spec: Any) -> Manifest:
    return Manifest(
        name,
        "batch/v1",
        "Job",
        {"metadata": {"labels": {"own": "1"}}, "spec": {"template": template(restartPolicy="Never"), **spec}},
    )


def cron_job(name: str, **spec: Any) -> Manifest:
    inside = {"spec": {"template": template(restartPolicy="OnFailure")}}
    return Manifest(name, "batch/v1", "CronJob", {"spec": {"schedule": "0 3 * * *", "jobTemplate": inside, **spec}})


QUANTITIES = (
    *("1000m", "0.5Gi", "1", "01", "+1", "1.5", "1.500", "0.1", ".5", "1.", "100m", "1500m", "2000", "1000", "1e3"),
    *("1E3", "1e-3", "100e1", "1Ki", "1024Ki", "2048Ki", "1025Ki", "1536Mi", "1.5Gi", "0.5Ki", "1023", "8Ei", "1E"),
    *("100u", "1n", "0", "0m", "0Gi", "1000k", "1000000000", "123456789012345678901", "1.0000000001", "0.0001Ki"),
    *("7M", "0.001", "10.0", "00.10", "1e0", "1.5e3", "12e2", "5k", "5000m", "999m", "3.14159", "2.5Mi", "1Pi"),
)
_PROBES: tuple[JsonObject, ...] = (
    {"httpGet": {"port": 80}},
    {"httpGet": {"port": "web", "path": "/x", "scheme": "HTTPS"}, "periodSeconds": 5},
    {"tcpSocket": {"port": 80}, "timeoutSeconds": 3, "failureThreshold": 9},
    {"grpc": {"port": 80}},
    {"grpc": {"port": 80, "service": "x"}},
    {"exec": {"command": ["true"]}, "initialDelaySeconds": 1},
)
_VOLUMES: tuple[JsonObject, ...] = (
    {},
    {"emptyDir": {}},
    {"emptyDir": {"sizeLimit": "0.5Gi", "medium": "Memory"}},
    {"hostPath": {"path": "/x"}},
    {"hostPath": {"path": "/x", "type": "Directory"}},
    {"secret": {"secretName": "s"}},
    {"secret": {"secretName": "s", "defaultMode": 256, "optional": True}},
    {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
    {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    {
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "t"}},
                {"configMap": {"name": "c"}},
                {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ]
        }
    },
    {"persistentVolumeClaim": {"claimName": "c"}},
    {"nfs": {"server": "s", "path": "/x"}},
    {"iscsi": {"targetPortal": "1.2.3.4:3260", "iqn": "iqn.2001-04.com.example:storage", "lun": 0}},
    {"rbd": {"monitors": ["1.2.3.4"], "image": "i"}},
    {"image": {"reference": "docker.io/org/a"}},
    {
        "ephemeral": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
            }
        }
    },
)
_RESOURCES: tuple[JsonObject, ...] = (
    {"limits": {"cpu": "1000m", "memory": "0.5Gi"}},
    {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100u"}},
    {"requests": {"cpu": 0.5, "memory": 1024}},
    {"limits": {"example.com/gpu": 1}},
    {"limits": {"cpu": "1", "ephemeral-storage": "1000Mi", "hugepages-2Mi": "4Mi"}},
)
_ENV: tuple[JsonObject, ...] = (
    {"value": "x"},
    {},
    {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    {"valueFrom": {"configMapKeyRef": {"name": "s", "key": "k", "optional": True}}},
)
_AFFINITY = {
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": {"labelSelector": SELECTOR, "topologyKey": "kubernetes.io/hostname"}}
        ]
    }
}
_LIFECYCLE = {"preStop": {"httpGet": {"port": 80}}, "postStart": {"exec": {"command": ["true"]}}}
_WITH_PORTS = container(ports=[{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP", "name": "dns"}])
_CONTAINER_LIMITS = {"type": "Container", "max": {"cpu": "2000m", "memory": "1Gi"}}

ACCEPTED: tuple[Manifest, ...] = (
    *(
        Manifest(
            f"template of {image}", "v1", "PodTemplate", {"template": template(containers=[container(image=image)])}
        )
        for image in IMAGES
    ),
    *(pod(f"pull policy {policy}", container(imagePullPolicy=policy)) for policy in ("Never", "Always")),
    pod("pod without anything"),
    pod("pod with probes", *(container(name=f"c{i}", livenessProbe=each) for i, each in enumerate(_PROBES))),
    pod("pod with a startup probe", container(startupProbe=_PROBES[0], readinessProbe=_PROBES[3])),
    pod("pod with volumes", volumes=[{"name": f"v{i}", **each} for i, each in enumerate(_VOLUMES)]),
    pod("pod with resources", *(container(name=f"c{i}", resources=each) for i, each in enumerate(_RESOURCES))),
    pod("pod with variables", container(env=[{"name": f"V{i}", **each} for i, each in enumerate(_ENV)])),
    pod("pod with ports", _WITH_PORTS),
    pod("pod on the host's network", _WITH_PORTS, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"),
    pod("pod with hooks", container(lifecycle=_LIFECYCLE)),
    pod("pod with initial containers", initContainers=[container(name="i", resources=_RESOURCES[0])]),
    pod("pod with a sidecar", initContainers=[container(name="i", restartPolicy="Always")]),
    pod("pod with its own resources", resources={"limits": {"cpu": "2", "memory": "1.5Gi"}}),
    pod(
        "pod and containers with resources",
        container(resources=_RESOURCES[1]),
        container(name="d", resources=_RESOURCES[2]),
        initContainers=[container(name="i", resources={"requests": {"memory": "3Gi"}})],
        resources={"limits": {"cpu": "4", "memory": "4Gi"}},
    ),
    pod("pod with affinity", affinity=_AFFINITY, nodeSelector={"a": "b"}, tolerations=[{"operator": "Exists"}]),
    pod("pod with an account", serviceAccountName="default", automountServiceAccountToken=False),
    pod("pod with the old name of an account", serviceAccount="default"),
    pod("pod with contexts", container(securityContext={"runAsUser": 0}), securityContext={"fsGroup": 1}),
    pod("pod with own values", restartPolicy="Never", terminationGracePeriodSeconds=0, enableServiceLinks=False),
    pod("pod with messages", container(terminationMessagePath="/x", terminationMessagePolicy="FallbackToLogsOnError")),
    pod(
        "pod with aliases", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a"]}], dnsConfig={"nameservers": ["1.2.3.4"]}
    ),
    pod("pod with deadlines", activeDeadlineSeconds=5, shareProcessNamespace=True, hostPID=False),
    *(workload(kind, kind) for kind in ("Deployment", "ReplicaSet", "DaemonSet")),
    workload("StatefulSet", "StatefulSet", serviceName="s"),
    workload("deployment, recreated", "Deployment", strategy={"type": "Recreate"}),
    workload("deployment, rolling", "Deployment", strategy={"rollingUpdate": {"maxSurge": 1}}, replicas=0),
    workload("deployment, paused", "Deployment", paused=True, revisionHistoryLimit=0, minReadySeconds=5),
    workload("replica set of three", "ReplicaSet", replicas=3),
    workload("daemon set, on delete", "DaemonSet", updateStrategy={"type": "OnDelete"}),
    workload("daemon set, rolling", "DaemonSet", updateStrategy={"rollingUpdate": {"maxUnavailable": "50%"}}),
    workload("stateful set, on delete", "StatefulSet", serviceName="s", updateStrategy={"type": "OnDelete"}),
    workload("stateful set, parallel", "StatefulSet", serviceName="s", podManagementPolicy="Parallel", replicas=2),
    workload(
        "stateful set, partition",
        "StatefulSet",
        serviceName="s",
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"},
    ),
    workload("stateful set, named strategy", "StatefulSet", serviceName="s", updateStrategy={"type": "RollingUpdate"}),
    Manifest("controller", "v1", "ReplicationController", {"spec": {"template": template()}}),
    Manifest(
        "controller, own",
        "v1",
        "ReplicationController",
        {"spec": {"template": template(), "selector": {"app": "a"}, "replicas": 0}},
    ),
    Manifest("pod template", "v1", "PodTemplate", {"template": template()}),
    job("job"),
    job("job, parallel", parallelism=3),
    job("job, completions", completions=3, backoffLimit=0, suspend=True),
    job("job, indexed", completions=2, completionMode="Indexed", backoffLimitPerIndex=1),
    cron_job("cron job"),
    cron_job(
        "cron job, own", concurrencyPolicy="Forbid", suspend=True, successfulJobsHistoryLimit=0, timeZone="Etc/UTC"
    ),
    service("service", ports=[{"port": 80}]),
    service(
        "service, ports",
        ports=[{"port": 80, "name": "a", "targetPort": "web"}, {"port": 81, "name": "b", "protocol": "UDP"}],
    ),
    service("service, headless", clusterIP="None", selector={"a": "b"}),
    service("service, external name", type="ExternalName", externalName="a.example.com"),
    service("service, sticky", ports=[{"port": 80}], sessionAffinity="ClientIP"),
    service(
        "service, sticky for a while",
        ports=[{"port": 80}],
        sessionAffinity="ClientIP",
        sessionAffinityConfig={"clientIP": {"timeoutSeconds": 5}},
    ),
    service("service, external addresses", ports=[{"port": 80}], externalIPs=["1.2.3.4"]),
    secret("secret"),
    secret("secret, strings", stringData={"a": "1", "b": "ä"}, data={"a": "Mg==", "c": "Mw=="}),
    secret("secret, broken lines", data={"a": "MTIz\nNDU2"}),
    secret("secret, own type", "example.com/own", data={"a": ""}),
    secret("secret, basic", "kubernetes.io/basic-auth", stringData={"username": ""}),
    secret("secret, ssh", "kubernetes.io/ssh-auth", stringData={"ssh-privatekey": "x"}),
    secret("secret, docker", "kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": '{"auths": {}}'}),
    secret("secret, old docker", "kubernetes.io/dockercfg", stringData={".dockercfg": "null"}),
    secret("secret, immutable", immutable=True),
    Manifest("config map", "v1", "ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": "Mg=="}}),
    Manifest("config map, empty", "v1", "ConfigMap", {"data": {}}),
    Manifest("account", "v1", "ServiceAccount", {"secrets": [{"name": "s"}], "imagePullSecrets": [{"name": "p"}]}),
    Manifest(
        "quota", "v1", "ResourceQuota", {"spec": {"hard": {"pods": "10", "limits.cpu": "1000m", "count/jobs.batch": 5}}}
    ),
    limits("limits", _CONTAINER_LIMITS),
    limits(
        "limits, all",
        {"type": "Pod", "max": {"cpu": "4"}, "min": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"}},
        _CONTAINER_LIMITS,
    ),
    limits("limits, default", {"type": "Container", "default": {"cpu": "1"}, "min": {"memory": "1Mi", "cpu": "0.1"}}),
    limits("limits, request", {"type": "Container", "defaultRequest": {"cpu": "1"}, "max": {"cpu": "2"}}),
    limits("limits, claims", {"type": "PersistentVolumeClaim", "max": {"storage": "10Gi"}}),
    limits(
        "limits, images",
        {"type": "openshift.io/Image", "max": {"storage": "1Gi"}},
        {"type": "openshift.io/ImageStream", "max": {"openshift.io/images": "10"}},
    ),
    limits(
        "limits, quantities",
        {"type": "example.com/x", "max": {f"example.com/q{i}": each for i, each in enumerate(QUANTITIES)}},
    ),
    pod(
        "pod with quantities",
        volumes=[{"name": f"v{i}", "emptyDir": {"sizeLimit": each}} for i, each in enumerate(QUANTITIES)],
    ),
)

_CPU = {"cpu": "1"}
REFUSED: tuple[Manifest, ...] = (
    limits("limits twice", {"type": "Pod", "max": _CPU}, {"type": "Pod", "max": _CPU}),
    limits("limits of nodes", {"type": "Node", "max": _CPU}),
    limits("limits without a type", {"max": _CPU}),
    limits("limits of disks", {"type": "Container", "max": {"disk": "1"}}),
    limits("limits of pods", {"type": "Container", "max": {"pods": "1"}}),
    limits("limits of a bad name", {"type": "Container", "max": {"/b": "1"}}),
    limits("limits, min", {"type": "Container", "min": {"cpu": "2"}, "max": _CPU}),
    limits("limits, default beyond", {"type": "Container", "default": {"cpu": "1500m"}, "max": _CPU}),
    limits("limits, default below", {"type": "Container", "default": {"cpu": "0.5"}, "min": _CPU}),
    limits("limits, request beyond", {"type": "Container", "defaultRequest": {"cpu": "3"}, "default": {"cpu": "2"}}),
    limits("limits, low ratio", {"type": "Pod", "maxLimitRequestRatio": {"cpu": "0.5"}}),
    limits(
        "limits, high ratio",
        {"type": "Pod", "maxLimitRequestRatio": {"memory": "3"}, "min": {"memory": "1Gi"}, "max": {"memory": "2Gi"}},
    ),
    limits("limits, pod's default", {"type": "Pod", "default": _CPU}),
    limits("limits, claims of nothing", {"type": "PersistentVolumeClaim", "max": {"requests.storage": "1"}}),
    limits(
        "limits, huge pages",
        {"type": "Container", "default": {"hugepages-2Mi": "4Mi"}, "defaultRequest": {"hugepages-2Mi": "2Mi"}},
    ),
    *(
        limits(f"limits of {text!r}", {"type": "Container", "max": {"cpu": text}})
        for text in ("x", "1KK", "1e", "", "1..2", "0x1", "1 Gi")
    ),
    secret("secret, nothing for a registry", "kubernetes.io/dockerconfigjson"),
    secret("secret, no JSON", "kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "{"}),
    secret("secret, a list", "kubernetes.io/dockercfg", stringData={".dockercfg": "[]"}),
    secret("secret, no user", "kubernetes.io/basic-auth"),
    secret("secret, empty key", "kubernetes.io/ssh-auth", stringData={"ssh-privatekey": ""}),
    secret("secret, no certificate", "kubernetes.io/tls", data={"tls.key": "eA=="}),
    secret("secret, no account", "kubernetes.io/service-account-token"),
    secret("secret, bad key", stringData={"a/b": "1"}),
    secret("secret, dots", stringData={"..": "1"}),
    secret("secret, no base64", data={"a": "*"}),
    secret("secret, too large", data={"a": "QUFB" * 350_000}),
    Manifest("config map, key twice", "v1", "ConfigMap", {"data": {"a": "1"}, "binaryData": {"a": "eA=="}}),
    Manifest("config map, bad key", "v1", "ConfigMap", {"data": {"a b": "1"}}),
    *(
        Manifest(f"quota of {name} {amount}", "v1", "ResourceQuota", {"spec": {"hard": {name: amount}}})
        for name, amount in (("disk", "1"), ("storage", "1"), ("pods", "1500m"), ("cpu", "-1"), ("/b", "1"))
    ),
)
