"""Objects of OpenShift Templates: made by the Template's parameters, with their places in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

from imagegate.cli.check.json_text import JsonPiece, item_pieces
from imagegate.cli.check.manifests import Manifest
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.core.openshift_templates.parameters import BadTemplate
from imagegate.core.openshift_templates.processing import NO_SECRETS, Processing, TemplateObject, is_template
from imagegate.core.openshift_templates.secret_values import Secrets
from imagegate.core.openshift_templates.settled import IDENTITY, is_settled
from imagegate.core.openshift_templates.substitution import Doubt, Path


class Made(NamedTuple):
    """An object to judge."""

    manifest: Manifest
    doubts: tuple[Doubt, ...] = ()
    """Places whose content is not known before the Template is processed in the cluster."""
    namespace: str = ""
    """Where it is created unless it says otherwise: the namespace of its TemplateInstance. Empty: not known."""


def made_objects(
    manifest: Manifest, given: Mapping[str, str], defined: set[str], secrets: Secrets = NO_SECRETS
) -> Iterator[Made]:
    """The objects that a Template makes; every other object as it is, and a Template that makes none.

    Args:
        given: values of parameters.
        defined: gets the names of the Template's parameters.
        secrets: Secrets that a TemplateInstance may name.

    Raises:
        BadManifest: the Template cannot be processed; ``str()`` begins with ``file:line:``.
    """
    if not is_template(manifest.object):
        yield Made(manifest)
        return
    processing, namespace = Processing(given, secrets), _namespace(manifest.object)
    pieces = _pieces(manifest)
    makes_none = True
    try:
        for made in processing.objects(manifest.object):
            makes_none = False
            yield Made(_placed(manifest, made, pieces), made.doubts, namespace)
    except BadTemplate as error:
        line = manifest.line_of(error.field)
        raise BadManifest(manifest.file, line, f"{manifest.object['kind']}: {error}") from error
    finally:
        defined |= processing.defined
    if makes_none:
        yield Made(manifest)


def _namespace(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata") if document.get("kind") == "TemplateInstance" else None
    namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    return namespace if isinstance(namespace, str) else ""


def _pieces(manifest: Manifest) -> list[JsonPiece] | None:
    """The text of each object of a Template in JSON: its lines are found without the text of the others."""
    objects = manifest.object.get("objects")
    if not isinstance(manifest.node, JsonPiece) or not isinstance(objects, list):
        return None
    return item_pieces(manifest.node, objects, "objects")


def _placed(manifest: Manifest, made: TemplateObject, pieces: list[JsonPiece] | None) -> Manifest:
    index = _INDEX.match(made.place)
    if pieces is None or index is None:
        return manifest._replace(object=made.object, within=made.place, line=manifest.line_of(made.place))
    piece = pieces[int(index[1])]
    within = made.place[index.end() :]
    own = manifest._replace(object=made.object, node=piece, line=piece.line, within=within)
    return own._replace(line=own.line_of("")) if within else own


_INDEX = re.compile(r"objects\[(\d+)\]\.?")


def parameter_values(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping.

    Raises:
        click.UsageError: one has no name or no ``=``, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--param {text}: expected NAME=VALUE")
        if name in found:
            raise click.UsageError(f"--param {name} is given twice")
        found[name] = value
    return found


class Unsettled(NamedTuple):
    """The doubts about an object that may change its verdict."""

    doubts: tuple[Doubt, ...]

    @property
    def hides_all(self) -> bool:
        """True if nothing that is found about the object is certain: more is unknown than images."""
        return any(not _is_image(each.path) and not each.has_no_value for each in self.doubts)

    @property
    def hides_identity(self) -> bool:
        """True if not even the policies that apply are known."""
        return any(not each.has_no_value and _hides_identity(each.path) for each in self.doubts)

    @property
    def unknown(self) -> bool:
        """True if there is more than an empty value, which OpenShift would take as it is."""
        return any(not each.has_no_value for each in self.doubts)

    def explains(self, at: str) -> bool:
        """True if a problem at a field path may be only for the lack of a value."""
        return not at or any(_is_below(at, field_path(each.path)) for each in self.doubts)

    @property
    def reasons(self) -> tuple[str, ...]:
        """``FIELD: WHY`` for each."""
        return tuple(dict.fromkeys(f"{field_path(each.path) or 'the object'}: {each.why}" for each in self.doubts))


def unsettled(made: Made) -> Unsettled:
    """The doubts that may change the verdict."""
    return Unsettled(tuple(each for each in made.doubts if not is_settled(made.manifest.object, each)))


def field_path(path: Path) -> str:
    """``spec.containers[0].image``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _is_below(at: str, field: str) -> bool:
    return at == field or at.startswith((f"{field}.", f"{field}["))


def _is_image(path: Path) -> bool:
    return len(path) > 2 and path[-1] == "image" and path[-3] in ("containers", "initContainers")


def _hides_identity(path: Path) -> bool:
    return any(path == each[: len(path)] for each in IDENTITY)
