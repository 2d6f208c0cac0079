"""Resolves an image as written to an Image object and a pull spec, by questions and answers.

Source: docs/spec/image-policy.md 5; openshift/apiserver-library-go, pkg/admission/imagepolicy/imagepolicy.go
(``resolveImageReference`` and ``resolveImageStreamTag``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imagegate.core.admission.access_review import Access
from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.lookup import Absent, Ambiguous, Found, Lookup, Unknown
from imagegate.core.admission.request import User
from imagegate.core.admission.workload import DOCKER_IMAGE, IMAGE_STREAM_IMAGE, IMAGE_STREAM_TAG, ImageUse
from imagegate.core.image_policy.attributes import Attributes, Doubt, Unresolved
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.integrated_registry import is_integrated, may_be_integrated
from imagegate.core.image_streams.questions import Image, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference
from imagegate.errors import InvalidReference

IMAGE_GROUP = "image.openshift.io"
NO_LOCAL_NAMES = (
    "ImageStreamTag does not allow local references and the resource did not request image stream resolution"
)

EMPTY = ImageReference()


class _Failed(Exception):  # never leaves this module
    """Resolution ends here."""

    def __init__(self, unresolved: Unresolved) -> None:
        super().__init__()
        self.unresolved = unresolved


class Resolver:
    """Resolves the images of one request. ``cached`` is profile openshift-4's image cache within the request.

    Args:
        behaviour: the choices of profile and settings.
        reader: reads answers, and notes those that are missing.
        namespace: of the request.
        resolve_all: every name means an image stream tag.
        subjects: the user and the service account, whose rights count in streams of other namespaces.
        own: look with imagegate's own rights and accept any name of the integrated registry, for the second look,
            which can only reject.
    """

    __slots__ = (
        "_behaviour",
        "_namespace",
        "_own",
        "_reader",
        "_resolve_all",
        "_subjects",
        "cached",
        "is_personal",
        "was_refused",
    )

    def __init__(
        self,
        behaviour: Behaviour,
        reader: AnswerReader,
        namespace: str,
        *,
        resolve_all: bool,
        subjects: tuple[User, ...],
        own: bool = False,
    ) -> None:
        self._behaviour = behaviour
        self._reader = reader
        self._namespace = namespace
        self._resolve_all = resolve_all
        self._subjects = subjects
        self._own = own
        self.cached: dict[str, Mapping[str, Any]] = {}
        self.is_personal = False
        """An access review or a failed look-up had a part in the result, which must not be cached for other users."""
        self.was_refused = False
        """The image resolved last is in a stream that neither user nor service account may certainly use."""

    def resolve(self, use: ImageUse) -> Attributes | Unresolved | None:
        """The attributes of ``use``, or why there are none; None while answers are awaited."""
        self.was_refused = False
        try:
            if use.kind == DOCKER_IMAGE:
                return self._docker_image(use.name)
            namespace = use.namespace or self._namespace
            if use.kind == IMAGE_STREAM_TAG:
                return self._image_stream_tag(namespace, use.name)
            if use.kind == IMAGE_STREAM_IMAGE:
                return self._image_stream_image(namespace, use.name)
        except _Failed as failed:
            return failed.unresolved
        return Unresolved(f'image policy does not allow image references of kind "{use.kind}"')

    def best_effort(self, use: ImageUse, error: Unresolved | None) -> Attributes:
        """The attributes of an image that was not resolved; in doubt if a look-up failed."""
        found = self._by_name(use, error)
        if error is None or not error.failed:
            return found
        return found._replace(doubt=Doubt(error.because, name=not found.name.id, image=True, integrated=True))

    def _by_name(self, use: ImageUse, error: Unresolved | None) -> Attributes:
        if use.kind != DOCKER_IMAGE:
            return Attributes(EMPTY, integrated=bool(error and error.integrated and self._behaviour.integrated_by_name))
        try:
            name = self.parse(use.name)
        except InvalidReference:
            return Attributes(EMPTY)
        if not self._behaviour.integrated_by_name:
            return Attributes(name)
        return Attributes(name, integrated=self.names_integrated(name) or bool(error and error.integrated))

    def parse(self, text: str) -> ImageReference:
        """``text`` as the policy reads it.

        Raises:
            InvalidReference: not an image reference.
        """
        reference = ImageReference.parse(text)
        if self._behaviour.dotted_names and not reference.name and ":" in text:
            return _as_name(reference, text)
        return reference

    def names_integrated(self, reference: ImageReference) -> bool:
        """True if the registry part is one of the integrated registry's names."""
        if self._own and self._behaviour.canonical_integrated:
            return may_be_integrated(reference.registry, self._behaviour)
        return is_integrated(reference.registry, self._behaviour)

    def needs_second_look(self, use: ImageUse) -> bool:
        """True if imagegate itself may see more of the image resolved last than the user did.

        An annotation on an Image counts for every user, and under every name by which a node finds the registry.
        """
        if self.was_refused:
            return True
        if use.kind != DOCKER_IMAGE or not self._behaviour.canonical_integrated:
            return False
        try:
            reference = self.parse(use.name)
        except InvalidReference:
            return False
        return not self.names_integrated(reference) and may_be_integrated(reference.registry, self._behaviour)

    def _docker_image(self, text: str) -> Attributes | None:
        try:
            reference = self.parse(text)
        except InvalidReference as error:
            raise _Failed(Unresolved(str(error))) from error
        integrated = self.names_integrated(reference)
        if reference.id:
            return self._digest(reference, integrated=integrated)
        partial = self._resolve_all or (not reference.registry and not reference.namespace and bool(reference.name))
        if not integrated and not partial:
            text = f"({reference.exact}) could not be resolved to an exact image reference"
            raise _Failed(Unresolved(text, elsewhere=True))
        namespace = self._namespace if self._resolve_all or not reference.namespace else reference.namespace
        return self._tag(namespace, reference.name, reference.tag or DEFAULT_TAG, partial=partial)

    def _digest(self, reference: ImageReference, *, integrated: bool) -> Attributes | None:
        behaviour = self._behaviour
        forgets = behaviour.cache_forgets_integrated
        if forgets and reference.id in self.cached:
            return Attributes(reference, self.cached[reference.id])
        # All questions are read before the first answer is looked at, so that they are looked up together.
        image = self._reader(Image(reference.id))
        holders: Lookup[Any] | None = _NOT_READ
        if behaviour.integrated_by_name and not integrated:
            holders = self._reader(PullSpecHolders(reference.exact))
        importers: Lookup[Any] | None = _NOT_READ
        if behaviour.require_known_repository:
            importers = self._reader(PullSpecHolders(reference.as_repository().exact))
        if image is None or holders is None or importers is None:
            return None
        found = self._require_found(image, integrated=integrated)
        self.cached[reference.id] = found.value
        if behaviour.require_known_repository:
            if isinstance(importers, Unknown):
                raise _Failed(Unresolved(importers.why, failed=True))
            if not isinstance(importers, Found) or not importers.value:
                raise _Failed(Unresolved(f"no image stream has imported {reference.as_repository().exact}"))
        if forgets:
            return Attributes(reference, found.value, integrated and found.source != "cache")
        if integrated:
            return Attributes(reference, found.value, integrated)
        credited = self._is_credited(holders)
        if credited is None:
            return None
        if isinstance(credited, Doubt):
            return Attributes(reference, found.value, doubt=credited)
        return Attributes(reference, found.value, credited)

    def _is_credited(self, holders: Lookup[Any]) -> bool | Doubt | None:
        """True if the request may use one of the streams that ``holders`` lists; None while reviews are awaited.

        Those are the namespaces of streams with a tag event of exactly this pull spec.
        Source: docs/spec/image-policy.md 8.3.
        """
        if isinstance(holders, Unknown):
            self.is_personal = True
            return Doubt(holders.why, integrated=True)
        if not isinstance(holders, Found):
            return False
        if self._namespace in holders.value:
            return True
        doubt = None
        for namespace in sorted(holders.value)[:_HOLDERS_TRIED]:
            try:
                return True if self._may_use(namespace, "") else None
            except _Failed as failed:
                if failed.unresolved.failed:
                    doubt = Doubt(failed.unresolved.because, integrated=True)
        return doubt or False

    def _image_stream_tag(self, namespace: str, name: str) -> Attributes | None:
        stream, colon, tag = name.partition(":")
        if not colon:
            raise _Failed(Unresolved("references of kind ImageStreamTag must be of the form NAME:TAG"))
        return self._tag(namespace, stream, tag or DEFAULT_TAG, partial=False, forced_allowed=False)

    def _image_stream_image(self, namespace: str, name: str) -> Attributes | None:
        stream, at, digest = name.partition("@")
        if not at:
            raise _Failed(Unresolved("references of kind ImageStreamImage must be of the form NAME@DIGEST"))
        if not self._may_use(namespace, stream):
            return None
        answer = self._reader(StreamImage(namespace, stream, digest))
        if answer is None:
            return None
        image = self._require_found(answer, integrated=True).value.get("image") or {}
        text = image.get("dockerImageReference") or ""
        try:
            reference = ImageReference.parse(text)
        except InvalidReference as error:
            raise _Failed(Unresolved(f"ImageStreamTag could not be resolved: {error}", integrated=True)) from error
        self._cache_image(image)
        image_object = self._image_object(image)
        return None if image_object is None else Attributes(reference, image_object, integrated=True)

    def _tag(
        self, namespace: str, stream: str, tag: str, *, partial: bool, forced_allowed: bool = True
    ) -> Attributes | None:
        forced = self._resolve_all and forced_allowed
        if not self._may_use(namespace, stream):
            return None
        if_local = partial and not forced and self._behaviour.cache_forgets_integrated
        answer = self._reader(StreamTag(namespace, stream, tag, if_local))
        if answer is None:
            return None
        if isinstance(answer, Absent) and answer.kind == "imagestreamtags":
            stored = self._reader(Stream(namespace, stream))
            if stored is None:
                return None
            future = self._future_tag(stored, tag, partial=partial, forced=forced)
            if future is not None:
                return future
        value = self._require_found(answer, integrated=not partial).value
        local = bool((value.get("lookupPolicy") or {}).get("local"))
        if partial and not forced and not local:
            raise _Failed(Unresolved(NO_LOCAL_NAMES))
        image = value.get("image") or {}
        text = image.get("dockerImageReference") or ""
        try:
            reference = ImageReference.parse(text)
        except InvalidReference as error:
            because = f"image reference {text} could not be parsed: {error}"
            raise _Failed(Unresolved(because, integrated=not partial)) from error
        self._cache_image(image)
        digest = (image.get("metadata") or {}).get("name") or ""
        name = ImageReference(reference.registry, reference.namespace, reference.name, "", digest)
        image_object = self._image_object(image)
        if image_object is None:
            return None
        return Attributes(name, image_object, integrated=True, local_rewrite=partial)

    def _future_tag(self, answer: Lookup[Any], tag: str, *, partial: bool, forced: bool) -> Attributes | None:
        """The future pull spec of a tag that its stream does not have yet; None if no local name may mean it."""
        if isinstance(answer, Unknown):
            raise _Failed(Unresolved(answer.why, failed=True, integrated=not partial))
        if not isinstance(answer, Found):
            return None
        local = bool(((answer.value.get("spec") or {}).get("lookupPolicy") or {}).get("local"))
        repository = (answer.value.get("status") or {}).get("dockerImageRepository") or ""
        if not (forced or local) or not repository:
            return None
        try:
            reference = ImageReference.parse(repository)
        except InvalidReference:
            return None
        return Attributes(replace(reference, tag=tag), None, integrated=not partial, local_rewrite=True)

    def _may_use(self, namespace: str, stream: str) -> bool:
        """True if the request may use a stream, False while access reviews are awaited.

        Streams of another namespace need a review of the user or the pod's service account.
        Source: docs/spec/image-policy.md 14 row 17.

        Raises:
            _Failed: neither may, or no review could be made.
        """
        if namespace == self._namespace or self._own or not self._behaviour.cross_namespace_review:
            return True
        self.is_personal = True
        answers = [  # all of them before the first is looked at: they are looked up together
            self._reader(Access(user, "get", IMAGE_GROUP, "imagestreams", "layers", namespace, stream))
            for user in self._subjects
        ]
        if None in answers:
            return False
        failure = ""
        for answer in answers:
            if isinstance(answer, Found) and answer.value.allowed:
                return True
            if isinstance(answer, Unknown):
                failure = answer.why
        self.was_refused = True
        because = f'neither the user nor the service account may use image streams of namespace "{namespace}"'
        raise _Failed(Unresolved(failure or because, failed=bool(failure)))

    def _image_object(self, image: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The Image that conditions are evaluated on: the tag's merged view, or the cluster's own object.

        None while the latter is awaited.
        """
        if not self._behaviour.image_object_conditions:
            return image
        digest = (image.get("metadata") or {}).get("name") or ""
        answer = self._reader(Image(digest))
        return None if answer is None else self._require_found(answer, integrated=True).value

    def _cache_image(self, image: Mapping[str, Any]) -> None:
        name = (image.get("metadata") or {}).get("name")
        if name:
            self.cached[name] = image

    def _require_found(self, answer: Lookup[Any], *, integrated: bool) -> Found[Any]:
        """The answer if something was found.

        Raises:
            _Failed: nothing was found, with the reason and whether that is certain.
        """
        if isinstance(answer, Found):
            return answer
        not_found = isinstance(answer, Absent)
        failed = isinstance(answer, Unknown) and (
            self._behaviour.ambiguous_is_failure or not isinstance(answer, Ambiguous)
        )
        raise _Failed(Unresolved(answer.why, not_found=not_found, failed=failed, integrated=integrated))


_HOLDERS_TRIED = 8
"""Namespaces asked about, because each costs access reviews; those after them do not credit."""
_NOT_READ = Absent("")
"""Used in the place of an answer that the result does not depend on."""


def _as_name(reference: ImageReference, text: str) -> ImageReference:
    """A registry-only reference with a tag, read as a name with a tag: ``my.image:1.0``.

    Source: docs/spec/image-policy.md 14 row 21.
    """
    without_digest = text.partition("@")[0]
    name, colon, tag = without_digest.partition(":")
    if not colon or "/" in name:
        return reference
    return ImageReference(name=name, tag=tag, id=reference.id)
