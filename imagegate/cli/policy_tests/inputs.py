"""The requests of a case: objects that are created, updated or deleted, and whole AdmissionReviews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from imagegate.adapters.files.input import read_file
from imagegate.cli.check.manifests import Manifest, read_objects
from imagegate.cli.check.read import FILE_MAX_BYTES
from imagegate.cli.check.run import CheckOptions, Result, check_manifest, check_request
from imagegate.cli.check.templates import Made, made_objects
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.documents.policy_tests.read import InvalidSuite
from imagegate.documents.policy_tests.suite import REVIEW, Before, Case, Place
from imagegate.errors import InvalidReview
from imagegate.service.review.both_passes import creation
from imagegate.service.review.reviewer import Reviewer


class Input(NamedTuple):
    """One object of a case, and what is done with it."""

    manifest: Manifest
    """With DELETE, the object that is deleted."""
    operation: str = "CREATE"
    old: Mapping[str, Any] | None = None
    sub_resource: str = ""
    review: AdmissionRequest | None = None
    """The request, where an AdmissionReview says all of it."""

    def results(self, reviewer: Reviewer, options: CheckOptions) -> Iterator[Result]:
        """The result, or those of the objects that a created Template makes.

        Raises:
            InvalidInput: an API server would not accept the object.
            BadManifest: a Template cannot be processed.
        """
        if self.review is not None:
            yield check_request(reviewer, Made(self.manifest), self.review, options)
        elif self.operation == "CREATE" and not self.sub_resource:
            for made in made_objects(self.manifest, {}, set()):
                yield check_manifest(reviewer, made, options)
        else:
            yield check_request(reviewer, Made(self.manifest), self._request(options), options)

    def _request(self, options: CheckOptions) -> AdmissionRequest:
        document = self.manifest.object
        uid = f"{self.manifest.file}:{self.manifest.line}"
        created = creation(document, uid=uid, namespace=options.namespace, user=options.user)
        is_deleted = self.operation == "DELETE"
        return replace(
            created,
            operation=self.operation,
            object=None if is_deleted else document,
            old_object=document if is_deleted else self.old,
            sub_resource=self.sub_resource,
        )


def case_inputs(case: Case, folder: Path) -> tuple[Input, ...]:
    """The requests of a case.

    Args:
        folder: that of the suite.

    Raises:
        InvalidSuite: a file cannot be read, an object is missing, or a review is none.
    """
    stored = [] if case.before is None else list(_stored(case.before, case, folder))
    return tuple(_input(case, manifest, stored) for manifest in _objects(case, folder))


def _input(case: Case, manifest: Manifest, stored: list[Manifest]) -> Input:
    if manifest.object.get("kind") == REVIEW:
        return _of_review(case, manifest)
    old = None if case.before is None else _old_object(case.before, manifest, stored, case.namespace)
    return Input(manifest, case.operation, old, case.sub_resource)


def _of_review(case: Case, manifest: Manifest) -> Input:
    if case.of_request:
        raise InvalidSuite(f"{case.place}.{case.of_request[0]}: an {REVIEW} says it itself")
    try:
        request = AdmissionRequest.parse(manifest.object, Phase.MUTATE)
    except InvalidReview as error:
        raise InvalidSuite(f"{case.source}: not a review: {error}") from error
    field = "object" if request.object is not None else "oldObject"
    document = request.object or request.old_object or {}
    placed = manifest._replace(object=dict(document), within=f"request.{field}")
    return Input(placed, request.operation, review=request)


def _stored(before: Before, case: Case, folder: Path) -> Iterator[Manifest]:
    if before.object is not None:
        yield Manifest(before.object.place.file, before.object.place.line, dict(before.object.object))
    elif before.image:
        yield Manifest(before.place.file, before.place.line, _pod(case, before.image))
    else:
        yield from _read(folder / before.file, before.place)


def _old_object(before: Before, manifest: Manifest, stored: list[Manifest], namespace: str) -> Mapping[str, Any]:
    """The stored object that ``manifest`` updates.

    Args:
        namespace: of objects that set none.

    Raises:
        InvalidSuite: there is none of its kind, namespace and name.
    """
    wanted = _identity(manifest.object, namespace)
    for each in stored:
        if _identity(each.object, namespace) == wanted:
            return each.object
    kind, within, name = wanted
    text = f"no old object of {kind} {within}/{name}: an update changes neither kind, namespace nor name"
    raise InvalidSuite(f"{before.place}: {text}")


def _identity(document: Mapping[str, Any], namespace: str) -> tuple[str, str, str]:
    metadata = document.get("metadata")
    found = metadata if isinstance(metadata, Mapping) else {}
    return str(document.get("kind")), str(found.get("namespace") or namespace), str(found.get("name") or "")


def _objects(case: Case, folder: Path) -> Iterator[Manifest]:
    if case.object is not None:
        yield Manifest(case.object.place.file, case.object.place.line, dict(case.object.object))
    elif case.image:
        yield Manifest(case.place.file, case.place.line, _pod(case, case.image))
    else:
        found = [each for each in _read(folder / case.file, case.source) if _is_selected(case, each)]
        if not found:
            raise InvalidSuite(f"{case.source}: {case.file} holds no object that kind and objectName select")
        yield from found


def _read(path: Path, at: Place) -> list[Manifest]:
    try:
        return list(read_objects(read_bounded(path, FILE_MAX_BYTES, at).decode("utf-8-sig"), str(path)))
    except (BadManifest, UnicodeDecodeError) as error:
        raise InvalidSuite(f"{at}: {error}") from error


def _is_selected(case: Case, manifest: Manifest) -> bool:
    metadata = manifest.object.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return case.kind in ("", manifest.object.get("kind")) and case.object_name in ("", name)


def _pod(case: Case, image: str) -> dict[str, Any]:
    containers = [{"name": "tested", "image": image}]
    metadata = {"name": "tested", "namespace": case.namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def read_bounded(path: Path, limit: int, at: Place) -> bytes:
    """The content of a file that the suite names.

    Raises:
        InvalidSuite: it cannot be read, or is larger than ``limit`` bytes.
    """
    try:
        content = read_file(path, limit)
    except OSError as error:
        raise InvalidSuite(f"{at}: {path}: cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise InvalidSuite(f"{at}: {path}: larger than {limit} bytes")
    return content
