"""Gatekeeper's library: K8sAllowedRepos, K8sAllowedReposv2 and K8sDisallowedRepos.

Source: open-policy-agent/gatekeeper-library, library/general/{allowedrepos,allowedreposv2,disallowedrepos}.
"""

from __future__ import annotations

from collections.abc import Callable

from imagegate.documents.convert.allow_lists.restrictions import Glob, Note, Restriction
from imagegate.documents.convert.comments import Comments
from imagegate.documents.convert.losses import Effect
from imagegate.documents.yaml.fields import Fields

GROUP = "constraints.gatekeeper.sh"
_LISTS = {"K8sAllowedRepos": "repos", "K8sAllowedReposv2": "allowedImages", "K8sDisallowedRepos": "repos"}
_WHOLE_MATCH = ("kinds", "namespaces", "excludedNamespaces", "scope")


def read_constraint(fields: Fields, comments: Comments, note: Note) -> Restriction | None:
    """The restriction of a constraint; None for a kind that restricts something else."""
    kind, name = fields.text("kind"), fields.child("metadata").text("name")
    field = _LISTS.get(kind)
    if field is None:
        note(fields.line, f"{kind} is no list of allowed images: not converted", Effect.UNENFORCED)
        return None
    spec = fields.child("spec")
    restriction = Restriction(f"{kind} {name}", fields.report.file, fields.line)
    _read_action(spec, note)
    _read_match(spec.child("match"), restriction, note)
    parameters = spec.child("parameters")
    read = _exact_or_prefix if kind == "K8sAllowedReposv2" else _prefix
    globs = _globs(parameters, field, read, comments, note)
    if kind == "K8sDisallowedRepos":
        restriction.denied = globs
    else:
        restriction.allowed = globs
    return restriction


def _read_action(spec: Fields, note: Note) -> None:
    action = spec.text("enforcementAction", "deny")
    if action != "deny":
        text = f"enforcementAction {action} denies nothing, the result does: cise.mode of the settings can be warn"
        note(spec.line_of("enforcementAction"), text, Effect.NARROWER)


def _read_match(match: Fields, restriction: Restriction, note: Note) -> None:
    restriction.namespaces = _names(match, "namespaces", note)
    restriction.excluded = _names(match, "excludedNamespaces", note)
    kinds = [
        kind for each in match.items("kinds") or () for kind in Fields(each, "", match.report).texts("kinds") or ()
    ]
    if kinds and not {"Pod", "*"} & set(kinds):
        note(match.line_of("kinds"), "the result judges Pods as well", Effect.NARROWER)
    for name in match.entries:
        if name not in _WHOLE_MATCH:
            note(match.line_of(name), f"match.{name} cannot be said: the result is for everything", Effect.NARROWER)


def _names(match: Fields, field: str, note: Note) -> frozenset[str]:
    """Names of namespaces; patterns cannot be said."""
    names = match.texts(field) or ()
    for name in names:
        if "*" in name:
            text = f"match.{field}: {name} is a pattern of namespaces: the result is for all"
            note(match.line_of(field), text, Effect.NARROWER)
    if field == "namespaces" and any("*" in name for name in names):
        return frozenset()
    return frozenset(name for name in names if "*" not in name)


def _globs(
    parameters: Fields, field: str, read: Callable[[str], str | None], comments: Comments, note: Note
) -> list[Glob]:
    found = []
    node_of_list = parameters.entries.get(field)
    nodes = node_of_list.value if node_of_list is not None and isinstance(node_of_list.value, list) else []
    for text, node in zip(parameters.texts(field) or (), nodes, strict=True):
        glob = read(text)
        if glob is None:
            note(node.line, f'{text!r} matches no image, since "*" stands for itself: left out', Effect.NOTE)
        else:
            found.append(Glob(glob, node.line, comments.at(node.line)))
    return found


def _prefix(text: str) -> str | None:
    return None if {"*", "?"} & set(text) else f"{text}*"


def _exact_or_prefix(text: str) -> str | None:
    literal = text.removesuffix("*")
    return None if {"*", "?"} & set(literal) else text
