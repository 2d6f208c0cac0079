"""The resources of the API as data: for discovery, paths and verbs.

The group image.openshift.io is docs/spec/import-gate.md 7. The others let a newcomer try it without a
cluster: they pass admission, are stored and listed, and nothing is ever scheduled or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imagegate.core.image_api.schema import TYPES
from imagegate.core.kube.status import IMAGE_GROUP

STORED_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
TAG_VERBS = ("create", "delete", "get", "list", "patch", "update")


@dataclass(frozen=True, slots=True)
class SubResource:
    """A part of a resource with a path of its own."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    api_version: str = ""
    """Of ``kind``; empty: that of the resource."""
    needs_running: bool = False
    """True if it exists for what runs, or for controllers: a dry cluster answers that there is nothing."""


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One resource of one group version."""

    group: str
    version: str
    name: str
    """Plural, as in paths."""
    kind: str
    singular: str
    namespaced: bool = True
    verbs: tuple[str, ...] = STORED_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sub_resources: tuple[SubResource, ...] = ()

    @property
    def api_version(self) -> str:
        """``GROUP/VERSION``, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def type(self) -> str:
        """The type of its objects in the table."""
        return TYPES.kind(self.api_version, self.kind)

    def sub_resource(self, name: str) -> SubResource | None:
        """The sub-resource of this name."""
        return next((found for found in self.sub_resources if found.name == name), None)


def _image(name: str, kind: str, **fields: object) -> ApiResource:
    return ApiResource(IMAGE_GROUP, "v1", name, kind, kind.lower(), **fields)  # type: ignore[arg-type]


_READ_ONLY, _READ_WRITE = ("get",), ("get", "patch", "update")
IMAGES = _image("images", "Image", namespaced=False)
STREAMS = _image(
    "imagestreams",
    "ImageStream",
    short_names=("is",),
    categories=("all",),
    sub_resources=(
        SubResource("layers", "ImageStreamLayers", _READ_ONLY),
        SubResource("secrets", "SecretList", _READ_ONLY, "v1"),
        SubResource("status", "ImageStream", _READ_WRITE),
    ),
)
STREAM_TAGS = _image("imagestreamtags", "ImageStreamTag", verbs=TAG_VERBS, short_names=("istag",))
IMAGE_TAGS = _image("imagetags", "ImageTag", verbs=TAG_VERBS, short_names=("itag",))
STREAM_IMAGES = _image("imagestreamimages", "ImageStreamImage", verbs=("get",), short_names=("isimage",))
STREAM_IMPORTS = _image("imagestreamimports", "ImageStreamImport", verbs=("create",))
STREAM_MAPPINGS = _image("imagestreammappings", "ImageStreamMapping", verbs=("create",))
SIGNATURES = _image("imagesignatures", "ImageSignature", namespaced=False, verbs=("create", "delete"))

_CALLED, _CONNECTED, _SCALED = ("create",), ("create", "get"), ("get", "patch", "update")


def _running(name: str, kind: str, verbs: tuple[str, ...], api_version: str = "") -> SubResource:
    return SubResource(name, kind, verbs, api_version, needs_running=True)


SCALE = ApiResource("autoscaling", "v1", "scales", "Scale", "scale", verbs=())
"""The kind of a workload's sub-resource ``scale``; no resource of its own."""
BUILD_REQUESTS = ApiResource("build.openshift.io", "v1", "buildrequests", "BuildRequest", "buildrequest", verbs=())
"""The kind of ``buildconfigs/NAME/instantiate``."""
_SCALE = (SubResource("scale", SCALE.kind, _SCALED, SCALE.api_version),)
_OF_RUNNING: Mapping[str, tuple[SubResource, ...]] = {
    "pods": (
        _running("attach", "PodAttachOptions", _CONNECTED),
        _running("eviction", "Eviction", _CALLED, "policy/v1"),
        _running("exec", "PodExecOptions", _CONNECTED),
        _running("log", "Pod", ("get",)),
        _running("portforward", "PodPortForwardOptions", _CONNECTED),
    ),
    "deployments": _SCALE,
    "replicasets": _SCALE,
    "replicationcontrollers": _SCALE,
    "statefulsets": _SCALE,
    "deploymentconfigs": (*_SCALE, _running("log", "DeploymentLog", ("get",))),
    "buildconfigs": (
        SubResource("instantiate", BUILD_REQUESTS.kind, _CALLED),
        _running("instantiatebinary", "BinaryBuildRequestOptions", _CALLED),
    ),
    "builds": (_running("clone", "BuildRequest", _CALLED), _running("log", "BuildLog", ("get",))),
    "serviceaccounts": (_running("token", "TokenRequest", _CALLED, "authentication.k8s.io/v1"),),
}
"""Not here: ``deploymentconfigs/instantiate``. Without it, ``oc rollout latest`` counts the version up itself."""

NAMESPACES = ApiResource(
    "",
    "v1",
    "namespaces",
    "Namespace",
    "namespace",
    namespaced=False,
    verbs=tuple(verb for verb in STORED_VERBS if verb != "deletecollection"),
    short_names=("ns",),
)
PODS = ApiResource(
    "", "v1", "pods", "Pod", "pod", short_names=("po",), categories=("all",), sub_resources=_OF_RUNNING["pods"]
)
SECRETS = ApiResource("", "v1", "secrets", "Secret", "secret")
SERVICE_ACCOUNTS = ApiResource(
    "",
    "v1",
    "serviceaccounts",
    "ServiceAccount",
    "serviceaccount",
    short_names=("sa",),
    sub_resources=_OF_RUNNING["serviceaccounts"],
)
TEMPLATES = ApiResource("template.openshift.io", "v1", "templates", "Template", "template")
PROCESSED_TEMPLATES = ApiResource(
    "template.openshift.io", "v1", "processedtemplates", "Template", "processedtemplate", verbs=("create",)
)
EVENTS = ApiResource("", "v1", "events", "Event", "event", short_names=("ev",))
LIMIT_RANGES = ApiResource("", "v1", "limitranges", "LimitRange", "limitrange", short_names=("limits",))
RESOURCE_QUOTAS = ApiResource("", "v1", "resourcequotas", "ResourceQuota", "resourcequota", short_names=("quota",))
_OTHERS = (
    ("", "v1", "configmaps", "ConfigMap", ("cm",)),
    ("", "v1", "podtemplates", "PodTemplate", ()),
    ("", "v1", "replicationcontrollers", "ReplicationController", ("rc",)),
    ("", "v1", "services", "Service", ("svc",)),
    ("apps", "v1", "daemonsets", "DaemonSet", ("ds",)),
    ("apps", "v1", "deployments", "Deployment", ("deploy",)),
    ("apps", "v1", "replicasets", "ReplicaSet", ("rs",)),
    ("apps", "v1", "statefulsets", "StatefulSet", ("sts",)),
    ("apps.openshift.io", "v1", "deploymentconfigs", "DeploymentConfig", ("dc",)),
    ("batch", "v1", "cronjobs", "CronJob", ("cj",)),
    ("batch", "v1", "jobs", "Job", ()),
    ("build.openshift.io", "v1", "buildconfigs", "BuildConfig", ("bc",)),
    ("build.openshift.io", "v1", "builds", "Build", ()),
)
_NOT_IN_ALL = frozenset({"configmaps", "podtemplates"})


def _review(group: str, name: str, kind: str, *, namespaced: bool = False) -> ApiResource:
    return ApiResource(f"{group}.k8s.io", "v1", name, kind, kind.lower(), namespaced=namespaced, verbs=("create",))


SELF_REVIEWS = _review("authentication", "selfsubjectreviews", "SelfSubjectReview")
SELF_ACCESS_REVIEWS = _review("authorization", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
SELF_RULES_REVIEWS = _review("authorization", "selfsubjectrulesreviews", "SelfSubjectRulesReview")
ACCESS_REVIEWS = _review("authorization", "subjectaccessreviews", "SubjectAccessReview")
LOCAL_ACCESS_REVIEWS = _review(
    "authorization", "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True
)
RESOURCE_REVIEWS, LOCAL_RESOURCE_REVIEWS = (
    ApiResource(
        "authorization.openshift.io",
        "v1",
        f"{kind.lower()}s",
        kind,
        kind.lower(),
        namespaced=namespaced,
        verbs=("create",),
    )
    for kind, namespaced in (("ResourceAccessReview", False), ("LocalResourceAccessReview", True))
)
REVIEWS = (
    SELF_REVIEWS,
    SELF_ACCESS_REVIEWS,
    SELF_RULES_REVIEWS,
    ACCESS_REVIEWS,
    LOCAL_ACCESS_REVIEWS,
    RESOURCE_REVIEWS,
    LOCAL_RESOURCE_REVIEWS,
)


def _project(name: str, kind: str, verbs: tuple[str, ...]) -> ApiResource:
    return ApiResource("project.openshift.io", "v1", name, kind, kind.lower(), namespaced=False, verbs=verbs)


PROJECTS = _project("projects", "Project", NAMESPACES.verbs)
PROJECT_REQUESTS = _project("projectrequests", "ProjectRequest", ("create", "list"))
USERS = ApiResource("user.openshift.io", "v1", "users", "User", "user", namespaced=False, verbs=("get",))

RESOURCES: tuple[ApiResource, ...] = (
    IMAGES,
    STREAM_IMAGES,
    STREAM_IMPORTS,
    STREAM_MAPPINGS,
    STREAMS,
    STREAM_TAGS,
    SIGNATURES,
    IMAGE_TAGS,
    NAMESPACES,
    PODS,
    SECRETS,
    EVENTS,
    SERVICE_ACCOUNTS,
    LIMIT_RANGES,
    RESOURCE_QUOTAS,
    *REVIEWS,
    PROJECTS,
    PROJECT_REQUESTS,
    USERS,
    TEMPLATES,
    PROCESSED_TEMPLATES,
    *(
        ApiResource(
            group,
            version,
            name,
            kind,
            kind.lower(),
            short_names=short,
            categories=() if name in _NOT_IN_ALL else ("all",),
            sub_resources=_OF_RUNNING.get(name, ()),
        )
        for group, version, name, kind, short in _OTHERS
    ),
)

_BY_NAME: Mapping[tuple[str, str, str], ApiResource] = {
    (resource.group, resource.version, resource.name): resource for resource in RESOURCES
}

BUILD_CONFIGS, BUILDS = (_BY_NAME["build.openshift.io", "v1", name] for name in ("buildconfigs", "builds"))

_BY_KIND: Mapping[str, ApiResource] = {resource.kind: resource for resource in RESOURCES}


def type_named(kind: str) -> str:
    """The type of a kind that is served, whose API version is known; empty for others."""
    found = _BY_KIND.get(kind)
    return "" if found is None else found.type


def find_resource(group: str, version: str, name: str) -> ApiResource | None:
    """The resource of this name."""
    return _BY_NAME.get((group, version, name))


def group_versions() -> Iterator[tuple[str, str]]:
    """Every group and version, the core group first, each once."""
    yield from dict.fromkeys(sorted((resource.group, resource.version) for resource in RESOURCES))


def resources_of(group: str, version: str) -> list[ApiResource]:
    """The resources of a group version, sorted by name."""
    found = (resource for resource in RESOURCES if (resource.group, resource.version) == (group, version))
    return sorted(found, key=lambda resource: resource.name)
