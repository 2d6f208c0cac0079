"""The namespaces and images that policies must not lock out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.running_images import RunningImages
from imagegate.core.image_streams.questions import Namespace
from imagegate.service.guard.lockout import Protected


class Known(NamedTuple):
    """Facts about guarded namespaces."""

    protected: tuple[Protected, ...]
    unknown: tuple[str, ...]
    """Why the images of a namespace are not known, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """The settings' ``guard`` block."""

    own_namespace: str
    own_images: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Guarded namespaces beside imagegate's own."""
    lists_pods: bool = False
    """The images of their pods are guarded too: there is a cluster to list them."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every guarded namespace."""
        return tuple(dict.fromkeys((self.own_namespace, *self.others)))

    def questions(self, namespaces: Iterable[str]) -> Iterator[Question]:
        """Look-ups about some of them."""
        for name in namespaces if self.lists_pods else ():
            yield RunningImages(name)
            yield Namespace(name)

    def known(self, namespaces: Iterable[str], reader: AnswerReader) -> Known:
        """Some of the namespaces, with their images as far as they are known."""
        protected, unknown = [], []
        for name in namespaces:
            images = self.own_images if name == self.own_namespace else ()
            document = None
            if self.lists_pods:
                running, found = reader(RunningImages(name)), reader(Namespace(name))
                document = found.value if isinstance(found, Found) else None
                if isinstance(running, Found):
                    images += running.value
                elif isinstance(running, Unknown):
                    unknown.append(running.why)
            protected.append(Protected(name, images, document))
        return Known(tuple(protected), tuple(unknown))
