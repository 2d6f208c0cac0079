"""Look-ups of image streams, images and namespaces, for the image policy and the import gate.

Values are plain image.openshift.io/v1 (or core/v1) objects as decoded from JSON; treat them as read-only.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.core.admission.plugin import Question


@dataclass(frozen=True, slots=True)
class StreamTag(Question):
    """The ImageStreamTag ``STREAM:TAG``, with ``image``, ``tag`` and ``lookupPolicy`` as the API derives them.

    ``Absent.kind`` is ``imagestreamtags`` if the stream exists and has no such tag, ``imagestreams`` if there
    is no such stream, ``images`` if the tag's image is gone.
    """

    namespace: str
    stream: str
    tag: str
    if_local: bool = False
    """In profile ``openshift-4``: of use only if the stream resolves local names."""


@dataclass(frozen=True, slots=True)
class Stream(Question):
    """The ImageStream, with ``status.dockerImageRepository`` as the API derives it."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class StreamImage(Question):
    """The ImageStreamImage ``STREAM@ID``; ``id`` may be a prefix of a digest."""

    namespace: str
    stream: str
    id: str


@dataclass(frozen=True, slots=True)
class Image(Question):
    """The cluster-scoped Image of this digest.

    ``Found.source`` is ``cache`` where the answer comes from the image cache of profile ``openshift-4``.
    """

    digest: str


@dataclass(frozen=True, slots=True)
class PullSpecHolders(Question):
    """The namespaces whose streams hold a tag event with this pull spec: ``Found(frozenset[str])``, maybe empty.

    ``pull_spec`` is ``REPOSITORY@DIGEST`` as an ImageStreamTag read gives it in ``image.dockerImageReference``
    (current and historical events, reference policy applied: docs/spec/import-gate.md 6.3), or a repository without
    digest, then any event of that repository counts.
    """

    pull_spec: str


@dataclass(frozen=True, slots=True)
class Namespace(Question):
    """The core/v1 Namespace, for its annotations and labels."""

    name: str
