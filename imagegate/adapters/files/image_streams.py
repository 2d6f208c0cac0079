"""Image streams, images and namespaces from files and folders: the image API without a cluster.

Everything is read and checked once; look-ups are in memory and cost the same for ten images as for a hundred
thousand. Objects are stored packed: a server holds all of them and uses few. What the API derives
(an ImageStreamTag from a stream's history and its Image) is derived here too.
Written ImageStreamTag and ImageStreamImage objects are used where the streams have no answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.adapters.files.documents import DiskDocuments, object_nodes, read_each
from imagegate.adapters.files.packed_objects import PackedObjects
from imagegate.caching import BoundedCache
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.image_streams import lookups as answers
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import JsonObject, RegistryHosts, events, with_computed_status
from imagegate.core.image_streams.views import repository_of
from imagegate.core.references.openshift import ImageReference
from imagegate.documents.foreign import is_foreign
from imagegate.documents.image_objects import CLUSTER_SCOPED, InvalidObject, WrittenObject, read_image_objects
from imagegate.errors import InvalidReference
from imagegate.ports.documents import Documents
from imagegate.ports.image_streams import ImageStreams, Namespaces

FILE_MAX_BYTES = 1 << 30
SOURCE = "files"
ANSWERS_CACHED = 1_000
"""Answers kept unpacked, of all kinds: the images in use; the others stay packed in memory."""
_Key = tuple[str, str]


class ImageStreamsFromObjects:
    """The ports ``ImageStreams`` and ``Namespaces`` over plain objects of the API's types.

    Args:
        image_streams: ImageStreams; ``status.dockerImageRepository`` stays as written if ``hosts`` is None.
        image_stream_tags: tags to use where the stream itself has no such image.
        image_stream_images: the same for stream images.
        images: Images, by digest.
        namespaces: Namespaces.
        hosts: names of the integrated registry, for the repositories computed on reading.
    """

    def __init__(
        self,
        *,
        image_streams: Iterable[JsonObject] = (),
        image_stream_tags: Iterable[JsonObject] = (),
        image_stream_images: Iterable[JsonObject] = (),
        images: Iterable[JsonObject] = (),
        namespaces: Iterable[JsonObject] = (),
        hosts: RegistryHosts | None = None,
    ) -> None:
        streams = (stream if hosts is None else with_computed_status(stream, hosts) for stream in image_streams)
        self._streams = _by_key(streams)
        self._tags = _by_key(image_stream_tags)
        self._stream_images = _by_key(image_stream_images)
        self._images = _by_name(images)
        self._namespaces = _by_name(namespaces)
        self._cached: BoundedCache[Question, Lookup[JsonObject]] = BoundedCache(ANSWERS_CACHED)
        self._streams_of = _streams_by_image_and_repository(self._streams)

    def snapshot(self) -> object:
        """See ``Answers.snapshot``: the objects never change."""
        return self

    def namespaces(self) -> Iterator[JsonObject]:
        """Every Namespace."""
        return (found for _, found in self._namespaces.items())

    def storable(self) -> Iterator[tuple[str, JsonObject]]:
        """Everything that a store could hold: plural resource name and object."""
        for resource, objects in (
            ("namespaces", self._namespaces),
            ("images", self._images),
            ("imagestreams", self._streams),
        ):
            yield from ((resource, found) for _, found in objects.items())

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See ``ports.image_streams.ImageStreams``."""
        return self._cached.get(question) or self._cache(question, self._stream_tag(question))

    def stream(self, question: Stream, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See ``ports.image_streams.ImageStreams``."""
        return answers.stream(question, self._streams.get((question.namespace, question.name)), SOURCE)

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See ``ports.image_streams.ImageStreams``."""
        return self._cached.get(question) or self._cache(question, self._stream_image(question))

    def image(self, question: Image, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See ``ports.image_streams.ImageStreams``."""
        cached = self._cached.get(question)
        return cached or self._cache(question, answers.image(question, self._images.get(question.digest), SOURCE))

    def pull_spec_holders(self, question: PullSpecHolders, *, deadline_s: float) -> Lookup[frozenset[str]]:  # noqa: ARG002
        """See ``ports.image_streams.ImageStreams``."""
        return answers.pull_spec_holders(question, self._candidates(question.pull_spec), SOURCE)

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See ``ports.image_streams.Namespaces``."""
        cached = self._cached.get(question)
        return cached or self._cache(question, answers.namespace(question, self._namespaces.get(question.name), SOURCE))

    def _stream_tag(self, question: StreamTag) -> Lookup[JsonObject]:
        stream = self._streams.get((question.namespace, question.stream))
        answer = answers.stream_tag(question, stream, self._images.get, SOURCE)
        if not isinstance(answer, Absent):
            return answer
        written = self._tags.get((question.namespace, f"{question.stream}:{question.tag}"))
        return answer if written is None else Found(written, SOURCE)

    def _stream_image(self, question: StreamImage) -> Lookup[JsonObject]:
        stream = self._streams.get((question.namespace, question.stream))
        answer = answers.stream_image(question, stream, self._images.get, SOURCE)
        if not isinstance(answer, Absent):
            return answer
        written = self._stream_images.get((question.namespace, f"{question.stream}@{question.id}"))
        return answer if written is None else Found(written, SOURCE)

    def _cache(self, question: Question, answer: Lookup[JsonObject]) -> Lookup[JsonObject]:
        """Cache an answer: the objects never change, but unpacking one takes time."""
        self._cached.put(question, answer)
        return answer

    def _candidates(self, pull_spec: str) -> Iterator[JsonObject]:
        """Streams that may hold the pull spec: its image, or anything of its repository, is in their history."""
        try:
            asked = ImageReference.parse(pull_spec)
        except InvalidReference:
            return
        for key in self._streams_of.get(asked.id or asked.as_repository().exact, ()):
            stream = self._streams.get(key)
            if stream is not None:
                yield stream


def _by_key(objects: Iterable[JsonObject]) -> PackedObjects[_Key]:
    return PackedObjects((_key(found), found) for found in objects)


def _by_name(objects: Iterable[JsonObject]) -> PackedObjects[str]:
    return PackedObjects((_key(found)[1], found) for found in objects)


def _key(found: Mapping[str, Any]) -> _Key:
    metadata = found["metadata"]
    return _copied(metadata.get("namespace") or ""), _copied(metadata["name"])


def _copied(text: str) -> str:
    """A copy of the string: the original would hold on to the memory block with a whole file's values."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


def _streams_by_image_and_repository(streams: PackedObjects[_Key]) -> dict[str, tuple[_Key, ...]]:
    """Digests of images and names of repositories -> the streams with these in their history."""
    found: dict[str, tuple[_Key, ...]] = {}
    for key, stream in streams.items():
        only = (key,)  # one for all terms of the stream: there are many
        for term in _terms(stream):
            others = found.get(term)
            found[term] = only if others is None else (*others, key)
    return found


def _terms(stream: JsonObject) -> set[str]:
    terms = {repository_of((stream.get("status") or {}).get("dockerImageRepository") or "")}
    for _, event in events(stream):
        terms |= {event.get("image") or "", repository_of(event.get("dockerImageReference") or "")}
    return terms - {""}


def load_image_streams(
    paths: Iterable[Path],
    *,
    hosts: RegistryHosts | None = None,
    namespace: str = "default",
    documents: Documents | None = None,
) -> ImageStreamsFromObjects:
    """Read files, and the documents in folders and below.

    Args:
        paths: files and folders.
        hosts: names of the integrated registry; None keeps the repositories written in the streams' status.
        namespace: for namespaced objects that do not set one.
        documents: where to read them; by default from disk.

    Raises:
        InvalidPolicy: files cannot be read, are not YAML or JSON, or hold a malformed or repeated object; a line for
            every fault.
    """
    kinds: dict[str, dict[_Key, WrittenObject]] = defaultdict(dict)
    documents = documents or DiskDocuments()

    def read(file: Path) -> None:
        for found in _read(file, namespace, documents):
            _add(kinds[found.kind], found)

    read_each(paths, documents, read)
    objects = {kind: [written.object for written in entries.values()] for kind, entries in kinds.items()}
    return ImageStreamsFromObjects(
        image_streams=objects.get("ImageStream", ()),
        image_stream_tags=objects.get("ImageStreamTag", ()),
        image_stream_images=objects.get("ImageStreamImage", ()),
        images=objects.get("Image", ()),
        namespaces=objects.get("Namespace", ()),
        hosts=hosts,
    )


def _add(entries: dict[_Key, WrittenObject], found: WrittenObject) -> None:
    namespace, name = _key(found.object)
    key = ("" if found.kind in CLUSTER_SCOPED else namespace, name)
    before = entries.get(key)
    if before is not None and before.object != found.object:
        label = f"{namespace}/{name}" if key[0] else name
        raise InvalidObject(f"{found.where}: {found.kind} {label} is written twice (first in {before.where})")
    entries[key] = found


def _read(path: Path, namespace: str, documents: Documents) -> list[WrittenObject]:
    try:
        content = documents.read(path, at_most=FILE_MAX_BYTES)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidObject(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidObject(f"{path}: not UTF-8 (byte {error.start})") from error
    if len(content) > FILE_MAX_BYTES:
        raise InvalidObject(f"{path}: larger than {FILE_MAX_BYTES} bytes")
    if (is_foreign(path.name) or "{{" in text) and not object_nodes(text, path, documents):
        return []
    return read_image_objects(text, str(path), namespace=namespace)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[ImageStreams], type[Namespaces]] = (ImageStreamsFromObjects, ImageStreamsFromObjects)
