"""``DockerImageReference`` of OpenShift's library-go: parsing and derived forms."""

from __future__ import annotations

from typing import Any

from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference
from tests.conformance.context import Context, differences

_GIVEN = frozenset({"id", "kind", "in"})
_FIELDS = ("registry", "namespace", "name", "tag", "id")


def run(case: dict[str, Any], context: Context) -> str | None:
    """Parse the text, or take the five fields, and give every derived form."""
    expected = {key: value for key, value in case.items() if key not in _GIVEN}
    return differences(expected, _answer(case))


def _answer(case: dict[str, Any]) -> dict[str, Any]:
    if case["kind"] == "struct":
        return _derived(ImageReference(**{key: case["in"].get(key, "") for key in _FIELDS}))
    try:
        reference = ImageReference.parse(case["in"])
    except InvalidReference as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "ref": _fields(reference), **_derived(reference)}


def _derived(reference: ImageReference) -> dict[str, Any]:
    return {
        "exact": reference.exact,
        "string": str(reference),
        "nameString": reference.name_string,
        "repositoryName": reference.repository_name,
        "asRepository": reference.as_repository().exact,
        "dockerClientDefaults": _fields(reference.with_docker_defaults()),
        "daemonMinimal": _fields(reference.minimal()),
        "mostSpecific": _fields(reference.most_specific()),
        "registryHostPort": list(reference.host_and_port()),
        "registryHostPortInsecure": list(reference.host_and_port(insecure=True)),
        "registryURL": reference.registry_url,
    }


def _fields(reference: ImageReference) -> dict[str, str]:
    return {key: getattr(reference, key) for key in _FIELDS}
