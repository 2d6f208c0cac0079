"""Validation of an ImageStreamImport, and the check of its registries against the list.

Rule: docs/spec/import-gate.md 3.3. Source: openshift-apiserver, pkg/image/apis/image/validation/validation.go and
registry/imagestreamimport/strategy.go.
"""

from __future__ import annotations

from imagegate.core.image_streams.metadata_validation import validate_metadata
from imagegate.core.image_streams.objects import DOCKER_IMAGE, ImportObject, ImportSource
from imagegate.core.import_gate.findings import (
    Finding,
    import_mode_errors,
    reference_errors,
    stream_name_errors,
    without_refusal,
)
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.messages import import_forbidden
from imagegate.core.import_gate.rules import join_host_port
from imagegate.core.import_gate.transport import Transport
from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, required
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference


def validate_import(gate: ImportGate, import_: ImportObject) -> list[Finding]:
    """Errors of an ImageStreamImport, without those of the list (see ``validate_import_registries``)."""
    errors: list[FieldError] = []
    for index, image in enumerate(import_.images):
        errors += _import_image_errors(image, f"spec.images[{index}]", star=gate.behaviour.imports_star)
    if import_.repository is not None:
        errors += _import_repository_errors(import_.repository, "spec.repository")
    if not import_.images and import_.repository is None:
        errors.append(invalid("spec.images", None, "you must specify at least one image or a repository import"))
    errors += validate_metadata(import_.metadata, stream_name_errors, namespaced=True, path="metadata")
    return without_refusal(errors)


def validate_import_registries(gate: ImportGate, import_: ImportObject) -> list[Finding]:
    """Errors of an import's registries against the list, for a user without privileges.

    Source: docs/spec/import-gate.md 3.3 step 2.

    The port is filled in first, so that an insecure import needs a rule for port 80 even where 443 is listed.
    """
    findings: list[Finding] = []
    if import_.repository is not None and import_.repository.source.kind == DOCKER_IMAGE:
        findings += _check_registry(gate, import_.repository, "spec.repository.from.name")
    for index, image in enumerate(import_.images):
        findings += _check_registry(gate, image, f"spec.images[{index}].from.name")
    return findings


def _import_image_errors(image: ImportSource, path: str, *, star: bool) -> list[FieldError]:
    name = image.source.name
    errors: list[FieldError] = []
    if image.source.kind != DOCKER_IMAGE:
        errors.append(invalid(f"{path}.from.kind", image.source.kind, "only DockerImage is supported"))
    else:
        if image.to == "":
            errors.append(invalid(f"{path}.to.name", "", "the name of the target tag must be specified"))
        if not name:
            errors.append(required(f"{path}.from.name"))
        elif name == "*" and star:
            return errors  # as the original, which then stops
        else:
            errors += reference_errors(f"{path}.from.name", name)
    return [*errors, *import_mode_errors(image.import_policy, f"{path}.importPolicy")]


def _import_repository_errors(repository: ImportSource, path: str) -> list[FieldError]:
    name = repository.source.name
    errors: list[FieldError] = []
    if repository.source.kind != DOCKER_IMAGE:
        errors.append(invalid(f"{path}.from.kind", repository.source.kind, "only DockerImage is supported"))
    elif not name:
        errors.append(required(f"{path}.from.name", "container image references require a name"))
    else:
        errors += reference_errors(f"{path}.from.name", name)
        if not errors:
            reference = ImageReference.parse(name)
            if reference.tag or reference.id:
                text = "you must specify an image repository, not a tag or ID"
                errors.append(invalid(f"{path}.from.name", name, text))
    return [*errors, *import_mode_errors(repository.import_policy, f"{path}.importPolicy")]


def _check_registry(gate: ImportGate, image: ImportSource, path: str) -> list[Finding]:
    try:
        reference = ImageReference.parse(image.source.name)
    except InvalidReference:
        reference = ImageReference()
    insecure = image.import_policy.insecure
    asked = as_imported(reference, insecure=insecure)
    admission = gate.admit_at(path, asked, Transport.SECURE)
    if not admission.allowed and insecure and gate.behaviour.insecure_import_falls_back:
        secure = gate.admit_at(path, as_imported(reference, insecure=False), Transport.SECURE)
        admission = secure if secure.allowed else admission
    if admission.allowed:
        return []
    text = import_forbidden(asked.registry, admission.error)
    return [Finding(forbidden(path, text), image.source.name, True, hint=admission.hint)]


def as_imported(reference: ImageReference, *, insecure: bool) -> ImageReference:
    """The reference of an import as the list checks it: with host and port filled in."""
    defaults = reference.with_docker_defaults()
    registry = join_host_port(*reference.host_and_port(insecure=insecure))
    return ImageReference(registry, defaults.namespace, defaults.name)
