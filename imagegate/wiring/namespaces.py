"""Namespaces as this version knows them: those of files and of the store, which are some of a cluster's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imagegate.adapters.files.image_streams import ImageStreamsFromObjects
from imagegate.core.admission.lookup import Absent, Lookup, Unlisted
from imagegate.core.image_streams.questions import Namespace
from imagegate.service.policies.policy_set import Modes
from imagegate.service.review.reviewer import labels_of

if TYPE_CHECKING:
    from imagegate.ports.image_store import ImageStore

Ask = Callable[..., Lookup[dict[str, Any]]]
SECTIONS = {"image-policy": "imagePolicy", "always-pull": "alwaysPull", "import-gate": "importGate", "cise": "cise"}
"""The settings of each plug-in."""


def of_some(ask: Ask) -> Ask:
    """Wrap the look-up of a source that does not list all namespaces: a namespace that it lacks may still exist."""

    def namespace(question: Namespace, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        answer = ask(question, deadline_s=deadline_s)
        if isinstance(answer, Absent):
            why = f"namespace {question.name} is neither in the store nor in a file of images, and no cluster is asked"
            return Unlisted(why, retryable=False)
        return answer

    return namespace


def known_labels(files: ImageStreamsFromObjects, store: ImageStore | None) -> list[dict[str, str]] | None:
    """The labels of every namespace that is known now; None where the store cannot be read."""
    found = [labels_of(each) for each in files.namespaces()]
    if store is not None:
        from imagegate.ports.image_store import Collection, StoreError  # takes time: imported when used

        try:
            found += [labels_of(each) for each in store.list_objects(Collection("", "namespaces")).items]
        except StoreError:
            return None
    return found


def unmatched_selectors(modes: Mapping[str, Modes], known: list[dict[str, str]] | None) -> Iterator[str]:
    """A sentence for every selector of modes that matches no namespace, so that its mode is never in force.

    Args:
        known: labels of all namespaces; None: not known, and no sentences result.
    """
    if known is None:
        return
    for plugin, each in modes.items():
        for index, (selector, mode) in enumerate(each.by_namespace):
            if not any(selector.matches(labels) for labels in known):
                yield (
                    f"{SECTIONS[plugin]}.namespaces[{index}].selector: matches no namespace "
                    f"that is known here (files of images and the store), so its mode {mode} is in force nowhere; "
                    f"where the labels of a namespace cannot be read, the strictest mode counts: {each.strictest()}"
                )
