"""Cases as data, put through the real ``Reviewer``: what an API server would send, both passes, update and subresource.

A file of cases holds ``worlds`` (documents: settings, policy, policies, images, access rules) and ``cases``. A world
is built by the service's own wiring from files, nothing in it is replaced. ``REGISTRY`` in a text stands for a
registry on the loopback.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from imagegate.core.admission.decision import Denial, PatchOp
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.request import Phase
from imagegate.errors import InvalidReview
from imagegate.service.review.response import Outcome
from imagegate.service.review.reviewer import Reviewer
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.support.registry_simulator import RegistrySimulator, image, sha256

CASES = Path(__file__).parent / "cases"
WORLD_KEYS = {"settings", "config", "policies", "images", "access"}
CASE_KEYS = {"name", "class", "source", "world", "request", "denied", "twin", "between", "passes"}
REQUIRED = CASE_KEYS - {"between", "passes"}
UID = "7d1b5a0c-0000-4000-8000-000000000001"

RESOURCES: Mapping[str, tuple[str, str]] = {
    "Pod": ("v1", "pods"),
    "PodTemplate": ("v1", "podtemplates"),
    "ReplicationController": ("v1", "replicationcontrollers"),
    "Deployment": ("apps/v1", "deployments"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "Job": ("batch/v1", "jobs"),
    "CronJob": ("batch/v1", "cronjobs"),
    "DeploymentConfig": ("apps.openshift.io/v1", "deploymentconfigs"),
    "Build": ("build.openshift.io/v1", "builds"),
    "BuildConfig": ("build.openshift.io/v1", "buildconfigs"),
    "Namespace": ("v1", "namespaces"),
    "ImageStream": ("image.openshift.io/v1", "imagestreams"),
    "ImageStreamTag": ("image.openshift.io/v1", "imagestreamtags"),
    "ImageTag": ("image.openshift.io/v1", "imagetags"),
    "ImageStreamImport": ("image.openshift.io/v1", "imagestreamimports"),
    "ImageStreamMapping": ("image.openshift.io/v1", "imagestreammappings"),
}


def read_cases() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """File, world and case of every case. A case without what it must have is an error, not a pass."""
    found = []
    for file in sorted(CASES.glob("*.yaml")):
        document = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for case in document["cases"]:
            if not REQUIRED <= case.keys() <= CASE_KEYS:
                raise ValueError(f"{file.name}: {case.get('name')}: keys are {sorted(case)}")
            for name in [case["world"]] if isinstance(case["world"], str) else case["world"]:
                world = document["worlds"][name]
                if not world.keys() <= WORLD_KEYS:
                    raise ValueError(f"{file.name}: world {name}: keys are {sorted(world)}")
                found.append((f"{file.stem}/{name}", world, {**case, "world": name}))
    if not found:
        raise FileNotFoundError(f"no cases in {CASES}")
    return found


def review_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The AdmissionReview for a case's request.

    ``image`` or ``images`` make a Pod; ``object`` is taken as it is. Whatever else is given (``operation``,
    ``oldObject``, ``subResource``, ``requestResource``...) stands in the request word for word.
    """
    given = dict(given)
    if "image" in given or "images" in given:
        images = given.pop("images", None) or [given.pop("image")]
        given["object"] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
            {"name": f"c{index}", "image": each} for index, each in enumerate(images)]}}  # fmt: skip
    document = given.get("object")
    kind = document.get("kind") if isinstance(document, dict) else "Pod"
    version, resource = RESOURCES[kind if isinstance(kind, str) and kind in RESOURCES else "Pod"]
    group, _, version = version.rpartition("/")
    metadata = document.get("metadata") if isinstance(document, dict) else None
    request = {
        "uid": UID,
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": resource},
        "operation": "CREATE",
        "namespace": "team",
        "name": metadata.get("name") if isinstance(metadata, dict) else "",
        "userInfo": {"username": "mallory", "groups": ["system:authenticated"]},
        "dryRun": False,
        **given,
    }
    request.setdefault("requestKind", request["kind"])
    request.setdefault("requestResource", request["resource"])
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@dataclass
class Notes:
    """A recorder that keeps the last outcome."""

    last: Outcome | None = None

    def taken(self) -> Outcome | None:
        """The last outcome, once."""
        last, self.last = self.last, None
        return last

    def decided(self, outcome: Outcome, seconds: float) -> None:
        """See ``Recorder``."""
        self.last = outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What one pass came to."""

    allowed: bool
    message: str = ""
    denials: tuple[Denial, ...] = ()
    rules: tuple[str, ...] = ()
    patch: tuple[PatchOp, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class ReviewerSetup:
    """A reviewer made from documents, and what it last decided."""

    reviewer: Reviewer
    notes: Notes = field(default_factory=Notes)

    def ask(self, review: Mapping[str, Any], phase: Phase) -> Answer:
        """One pass over a whole AdmissionReview. An unreadable one is a refusal too: the API server gets a 400."""
        before = copy.deepcopy(review)
        try:
            answer = self.reviewer.review(review, phase)
        except InvalidReview as error:
            return Answer(False, f"400: {error}")
        assert review == before, "the request was changed"
        response = json.loads(json.dumps(answer))["response"]
        assert response["uid"] == review["request"]["uid"]
        assert isinstance(response["allowed"], bool)
        patch = _patch(response)
        assert phase is Phase.MUTATE or not patch
        outcome = self.notes.taken()
        assert response["allowed"] or not patch
        return Answer(
            response["allowed"],
            response.get("status", {}).get("message", ""),
            outcome.denials if outcome else (),
            tuple(rule for verdict in outcome.verdicts for rule in verdict.decision.rules) if outcome else (),
            patch,
            tuple(response.get("warnings", ())),
        )

    def both(self, review: dict[str, Any], between: list[dict[str, Any]] | None = None) -> tuple[Answer, Answer | None]:
        """The mutating pass, then the validating one over what it left and other webhooks changed after it."""
        mutated = self.ask(review, Phase.MUTATE)
        if not mutated.allowed:
            return mutated, None
        left = patched(review, (*mutated.patch, *(PatchOp(**operation) for operation in between or ())))
        return mutated, self.ask(left, Phase.VALIDATE)


def patched(review: dict[str, Any], patch: tuple[PatchOp, ...]) -> dict[str, Any]:
    """The same review with its object as it is by then."""
    review = copy.deepcopy(review)
    if patch:
        review["request"]["object"] = apply_patch(review["request"]["object"], patch)
    return review


def _patch(response: Mapping[str, Any]) -> tuple[PatchOp, ...]:
    if "patch" not in response:
        return ()
    assert response["patchType"] == "JSONPatch"
    return tuple(PatchOp(**operation) for operation in json.loads(base64.b64decode(response["patch"])))


@contextlib.contextmanager
def registry_of_tests() -> Iterator[RegistrySimulator]:
    """A registry with ``team/app:1``, ``team/app:2``, ``team/evil:1``; nothing is signed."""
    with RegistrySimulator() as registry:
        for name, tags in {"team/app": ("1", "2"), "team/evil": ("1",)}.items():
            for tag in tags:
                registry.repository(name).put(*image(f"{name}:{tag}"), tag=tag)
        yield registry


def digest_of(registry: RegistrySimulator, name: str, tag: str) -> str:
    """The digest of a tag."""
    return sha256(registry.repository(name).manifests[tag][0])


def filled_in(value: Any, registry: RegistrySimulator) -> Any:
    """``value`` with ``REGISTRY``, and the digests ``D_APP1``, ``D_APP2`` and ``D_EVIL1``, filled in."""
    text = json.dumps(value, ensure_ascii=False).replace("REGISTRY", registry.host)
    for word, (name, tag) in {
        "D_APP1": ("team/app", "1"), "D_APP2": ("team/app", "2"), "D_EVIL1": ("team/evil", "1"),
    }.items():  # fmt: skip
        text = text.replace(word, digest_of(registry, name, tag))
    return json.loads(text)


def build_world(directory: Path, documents: Mapping[str, Any], registry: RegistrySimulator) -> ReviewerSetup:
    """The service for one set of documents, by its own wiring."""
    directory.mkdir(parents=True)
    documents = filled_in(documents, registry)
    settings = {**documents.get("settings", {})}
    settings.setdefault("registry", {"insecure": [registry.host], "allowPrivateAddresses": [registry.host]})
    for key, name in (("config", "config"), ("access", "accessRules")):
        if key in documents:
            (directory / f"{key}.yaml").write_text(yaml.safe_dump(documents[key]), encoding="utf-8")
            settings[name] = f"{key}.yaml"
    for key in ("policies", "images"):
        if key in documents:
            (directory / f"{key}.yaml").write_text(yaml.safe_dump_all(documents[key]), encoding="utf-8")
            settings[key] = [f"{key}.yaml"]
    (directory / "imagegate.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    notes = Notes()
    service = build(StartupOptions(settings_file=directory / "imagegate.yaml", environ={}), recorders=(notes,))
    return ReviewerSetup(service.reviewer, notes)
