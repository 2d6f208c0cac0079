"""A Template becomes objects, as ``oc process`` makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from imagegate.core.openshift_templates.parameters import BadTemplate, Parameter, read_parameters
from imagegate.core.openshift_templates.secret_values import Secrets
from imagegate.core.openshift_templates.substitution import Budget, Doubt, Path, Substitution, has_reference

GROUP = "template.openshift.io"
NO_SECRETS = Secrets()
NESTED_MAX = 8
"""Templates inside a Template inside a Template: levels that are processed."""


class TemplateObject(NamedTuple):
    """One object that a Template makes."""

    object: dict[str, Any]
    place: str
    """Field path in the document: ``objects[3]``, ``objects[0].items[1]``, ``objects[2].objects[0]``."""
    doubts: tuple[Doubt, ...]
    """Places whose content is not known."""


def is_template(document: Mapping[str, Any]) -> bool:
    """True for a Template or TemplateInstance, also of the API before groups (``v1``)."""
    version, kind = document.get("apiVersion"), document.get("kind")
    return (
        kind in ("Template", "TemplateInstance")
        and isinstance(version, str)
        and version.rpartition("/")[0] in ("", GROUP)
    )


class Processing:
    """Processes the Templates of one document."""

    def __init__(self, given: Mapping[str, str], secrets: Secrets = NO_SECRETS) -> None:
        """Prepare.

        Args:
            given: values of parameters, which come before all others.
            secrets: Secrets that TemplateInstances may name.
        """
        self._given = given
        self._secrets = secrets
        self._budget = Budget()
        self.defined: set[str] = set()
        """Names of all parameters that were met."""

    def objects(self, document: Mapping[str, Any]) -> Iterator[TemplateObject]:
        """The objects that a Template makes, those of Templates and Lists inside it among them.

        Raises:
            BadTemplate: OpenShift would not process it, or a limit is reached.
        """
        yield from self._objects(document, "", (), 1)

    def _objects(
        self, document: Mapping[str, Any], place: str, outer: tuple[Doubt, ...], level: int
    ) -> Iterator[TemplateObject]:
        """The objects of a Template at ``place``; ``outer``: doubts about the Template itself."""
        if level > NESTED_MAX:
            raise BadTemplate(place.rstrip("."), f"Templates are nested deeper than {NESTED_MAX} levels")
        given, missing = self._given, ""
        if document.get("kind") == "TemplateInstance":
            given, missing = self._values_of(document, place)
            document = _instantiated(document, place)
            place, outer = f"{place}spec.template.", _inside(outer, ("spec", "template"))
        parameters = read_parameters(document, given, place)
        self.defined.update(parameters)
        if missing:
            parameters = {name: self._from_missing(each, missing) for name, each in parameters.items()}
        substitution = Substitution(parameters, self._budget)
        for index, found in enumerate(_entries(document, substitution, place)):
            doubts = (*found.doubts, *_inside(outer, ("objects", index)))
            yield from self._made(found.object, found.place, doubts, level)

    def _made(self, made: dict[str, Any], at: str, doubts: tuple[Doubt, ...], level: int) -> Iterator[TemplateObject]:
        """An object, or those inside it."""
        kind, items = made.get("kind"), made.get("items")
        if is_template(made):
            yield from self._objects(made, f"{at}.", doubts, level + 1)
        elif isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
            if level > NESTED_MAX:
                raise BadTemplate(at, f"Lists are nested deeper than {NESTED_MAX} levels")
            for index, item in enumerate(items):
                inside = f"{at}.items[{index}]"
                checked = _checked(item, inside)
                if "kind" not in checked and kind != "List":
                    checked = {"apiVersion": made.get("apiVersion"), "kind": kind.removesuffix("List"), **checked}
                yield from self._made(checked, inside, _inside(doubts, ("items", index)), level + 1)
        else:
            yield TemplateObject(made, at, doubts)

    def _values_of(self, instance: Mapping[str, Any], place: str) -> tuple[Mapping[str, str], str]:
        """Values for the parameters of a TemplateInstance, and the name of its Secret if that is not known here."""
        spec = instance.get("spec")
        reference = spec.get("secret") if isinstance(spec, Mapping) else None
        if reference is None:
            return self._given, ""
        name = reference.get("name") if isinstance(reference, Mapping) else None
        if not isinstance(name, str) or not name:
            raise BadTemplate(f"{place}spec.secret.name", "expected the name of a Secret")
        values = self._secrets.values(instance, name)
        return (self._given, name) if values is None else ({**values, **self._given}, "")

    def _from_missing(self, parameter: Parameter, secret: str) -> Parameter:
        """A parameter of a TemplateInstance, whose Secret is not here and may have another value."""
        if parameter.name in self._given:
            return parameter
        why = f"parameter {parameter.name} may come from Secret {secret}, which is not in the files"
        return parameter._replace(value=None, why=why)


def processed_objects(template: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
    """The objects of a Template with these parameters; Lists and Templates among them stay what they are.

    Raises:
        BadTemplate: OpenShift would not process it, or a limit is reached.
    """
    return [found.object for found in _entries(template, Substitution(parameters, Budget()), "")]


def _entries(template: Mapping[str, Any], substitution: Substitution, place: str) -> Iterator[TemplateObject]:
    """The entries of ``objects`` with values and labels."""
    labels, about_labels = _labels(template.get("labels"), substitution, f"{place}labels")
    entries = template.get("objects")
    if not isinstance(entries, list):
        raise BadTemplate(f"{place}objects", f"expected a list, got {type(entries).__name__}")
    for index, entry in enumerate(entries):
        at = f"{place}objects[{index}]"
        made, doubts = substitution.object(_without_namespace(_checked(entry, at)), at)
        yield TemplateObject(_labelled(made, labels), at, (*doubts, *about_labels))


def _instantiated(document: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The Template of a TemplateInstance."""
    spec = document.get("spec")
    template = spec.get("template") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(template, Mapping):
        raise BadTemplate(f"{place}spec.template", "expected a Template")
    return template


def _inside(doubts: tuple[Doubt, ...], prefix: Path) -> tuple[Doubt, ...]:
    """Doubts about an object, seen from what stands at ``prefix`` inside it.

    A doubt about another part counts for the whole: a kind or a parameter's value changes everything. Metadata do not,
    and neither do other objects beside it.
    """
    found = []
    for doubt in doubts:
        if doubt.path[: len(prefix)] == prefix:
            found.append(doubt._replace(path=doubt.path[len(prefix) :]))
        elif doubt.path[:1] != ("metadata",) and not (doubt.path[:1] == prefix[:1] and len(doubt.path) > 1):
            found.append(doubt._replace(path=()))
    return tuple(found)


def _checked(entry: Any, at: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise BadTemplate(at, f"expected an object, got {type(entry).__name__}")
    return entry


def _without_namespace(entry: dict[str, Any]) -> dict[str, Any]:
    """The object without its namespace, unless that refers to a parameter; lists keep what they hold as it is."""
    metadata = entry.get("metadata")
    if entry.get("items") is not None or not isinstance(metadata, dict) or "namespace" not in metadata:
        return entry
    namespace = metadata["namespace"]
    if isinstance(namespace, str) and has_reference(namespace):
        return entry
    return {**entry, "metadata": {key: value for key, value in metadata.items() if key != "namespace"}}


def _labels(found: Any, substitution: Substitution, place: str) -> tuple[dict[str, str], tuple[Doubt, ...]]:
    """The labels of all objects, and doubts about them as of an object's own labels."""
    if found is None:
        return {}, ()
    if not isinstance(found, Mapping) or not all(isinstance(value, str) for value in found.values()):
        raise BadTemplate(place, "expected an object of strings")
    doubts: list[Doubt] = []
    made: dict[str, str] = {}
    for key, value in found.items():
        name = substitution.string(key, _LABELS, place, doubts)
        if name in made:
            raise BadTemplate(place, f"two labels become {name!r}, and which value counts is not certain")
        made[name] = substitution.string(value, (*_LABELS, name), place, doubts)
    return made, tuple(doubts)


_LABELS = ("metadata", "labels")


def _labelled(made: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """The object with further labels; own labels that are not all strings are lost, as in the original."""
    metadata = made.get("metadata", {})
    if not labels or not isinstance(metadata, dict):
        return made
    own = metadata.get("labels")
    kept = own if isinstance(own, dict) and all(isinstance(value, str) for value in own.values()) else {}
    return {**made, "metadata": {**metadata, "labels": {**kept, **labels}}}
