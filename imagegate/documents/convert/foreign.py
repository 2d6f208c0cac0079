"""Policies of Kyverno and Gatekeeper that list allowed images, as ClusterImagePolicy and ImagePolicy objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.documents.convert.allow_lists import gatekeeper, kyverno
from imagegate.documents.convert.allow_lists.restrictions import Note, Restriction, entries_of
from imagegate.documents.convert.comments import Comments
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.convert.made_policy import policy_text
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.source import read_source

NAME = "allowed-images"


@dataclass(slots=True)
class ReadLists:
    """The restrictions of some files, and what is not converted."""

    restrictions: list[Restriction] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def is_foreign(api_version: str, kind: str) -> bool:
    """True for an object of Kyverno or Gatekeeper that may list allowed images."""
    group = api_version.partition("/")[0]
    return group == gatekeeper.GROUP or (group in kyverno.GROUPS and kind.endswith("Policy"))


def read_lists(text: str, name: str, *, allow_wider: bool = False) -> ReadLists:
    """The restrictions in a file; objects of other kinds are ignored.

    Raises:
        InvalidPolicy: the file does not load, or a constraint has a field of the wrong type.
    """
    found = ReadLists()
    comments = Comments(text)
    report = Report(name)
    for node in _objects(read_source(text, name).documents):
        version, kind = kyverno.text_at(node, "apiVersion"), kyverno.text_at(node, "kind")
        if not is_foreign(version, kind):
            continue
        note = _noter(found.losses, name, f"{kind} {kyverno.text_at(node, 'metadata', 'name')}")
        if version.partition("/")[0] == gatekeeper.GROUP:
            restriction = gatekeeper.read_constraint(Fields(node, "", report), comments, note)
            if restriction is not None:
                found.restrictions.append(restriction)
        else:
            reader = kyverno.KyvernoReader(node, name, comments, note, allow_wider=allow_wider)
            found.restrictions += reader.restrictions()
    report.check()
    return found


def lists_to_policies(lists: ReadLists, group: PolicyGroup, *, allow_wider: bool = False) -> tuple[str, list[Loss]]:
    """One ClusterImagePolicy, and an ImagePolicy for every namespace that a restriction names; and all differences."""
    allowed = entries_of(lists.restrictions, allow_wider=allow_wider)
    documents = [
        policy_text(group, NAME, entries, namespace=namespace) for namespace, entries in allowed.entries.items()
    ]
    losses = sorted(dict.fromkeys([*lists.losses, *allowed.losses]), key=lambda loss: (loss.file, loss.line))
    return "---\n".join(documents), losses


def _noter(losses: list[Loss], file: str, label: str) -> Note:
    def note(line: int, text: str, effect: Effect) -> None:
        losses.append(Loss(file, line, label, text, effect))

    return note


def _objects(documents: list[Node]) -> Iterator[Node]:
    for document in documents:
        items = kyverno.items_at(document, "items")
        yield from items or [document]
