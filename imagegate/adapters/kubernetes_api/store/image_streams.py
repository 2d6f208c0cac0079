"""The ports ``ImageStreams`` and ``Namespaces`` over the journal of the store: nothing is asked for.

So a decision does not need the API server, and never imagegate's own API behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagegate.adapters.kubernetes_api.image_stream_answers import ImageStreamAnswers, UnknownObject
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.adapters.kubernetes_api.store.stored_form import Unreadable, name_of
from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.image_streams import lookups as answers
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.image_streams.stream import JsonObject, RegistryHosts, with_computed_status
from imagegate.core.image_streams.terms import search_term
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference
from imagegate.ports.image_store import Collection, ObjectKey
from imagegate.ports.image_streams import ImageStreams, Namespaces

SOURCE = "store"
_STREAMS = (IMAGE_GROUP, "imagestreams")


class StoredImageStreams(ImageStreamAnswers):
    """See ``ports.image_streams``.

    Args:
        store: of the objects.
        hosts: names of the integrated registry.
    """

    def __init__(self, store: KubernetesStore, hosts: RegistryHosts) -> None:
        super().__init__(SOURCE)
        self._store = store
        self._hosts = hosts

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See the port."""
        missing = self._missing()
        if missing:
            return Unknown(missing)
        try:
            found = self._object(ObjectKey("", "namespaces", "", question.name))
        except UnknownObject as error:
            return Unknown(str(error), retryable=False)
        return answers.namespace(question, found, SOURCE)

    def _missing(self) -> str:
        return self._store.missing()

    def _present(self) -> object:
        return self._store.watch.snapshot

    def _object(self, key: ObjectKey) -> JsonObject | None:
        found = self._store.journal.at(name_of(key))
        if isinstance(found, Unreadable):
            raise UnknownObject(str(found))
        return None if found is None else found.body()

    def _stream(self, namespace: str, name: str) -> JsonObject | None:
        found = self._object(ObjectKey(*_STREAMS, namespace, name))
        return None if found is None else with_computed_status(found, self._hosts)

    def _image(self, digest: str) -> JsonObject | None:
        return self._object(ObjectKey(IMAGE_GROUP, "images", "", digest))

    def _candidates(self, pull_spec: str) -> Iterator[JsonObject]:
        """Streams found by the pull spec's image, else by its repository or by name."""
        try:
            asked = ImageReference.parse(pull_spec)
        except InvalidReference:
            return
        unreadable = self._store.journal.unreadable_in(Collection(*_STREAMS))
        if unreadable:
            raise UnknownObject(str(unreadable[0]))
        for entry in self._store.journal.having(_STREAMS, search_term(asked)):
            yield with_computed_status(entry.body(), self._hosts)
        if not asked.id and self._hosts.internal and asked.registry == self._hosts.internal:
            named = self._stream(asked.namespace, asked.name)
            if named is not None:
                yield named


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[ImageStreams], type[Namespaces]] = (StoredImageStreams, StoredImageStreams)
