"""Images that policies would deny although the cluster, or imagegate, cannot start again without them.

Each image is put through the plug-ins as a new pod of its namespace, with what is known without a look-up outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from imagegate.core.admission.decision import LACK_OF_EVIDENCE, Denial
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase
from imagegate.core.image_streams.questions import Namespace
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode
from imagegate.service.review.reviewer import labels_of

POD = GroupKind("", "Pod")
PODS = GroupResource("", "pods")


class Protected(NamedTuple):
    """A namespace whose pods must be able to start."""

    namespace: str
    images: tuple[str, ...]
    document: Mapping[str, Any] | None = None
    """The Namespace object; None where it is not known: then the strictest mode applies, and no annotation."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """One image that one plug-in would deny."""

    namespace: str
    image: str
    plugin: str
    denial: Denial

    @property
    def certain(self) -> bool:
        """False if look-ups decide: of signatures, image streams, reports."""
        return self.denial.code not in LACK_OF_EVIDENCE

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and image that are denied, whichever rule denies."""
        return self.namespace, self.image

    @property
    def doubt(self) -> str:
        """The doubt about it, as a sentence."""
        by = f" ({self.denial.rule})" if self.denial.rule else ""
        return (
            f"image {self.image} in namespace {self.namespace}: look-ups of {self.plugin}{by} decide when a pod starts"
        )

    def __str__(self) -> str:
        by = f" of {self.denial.rule}" if self.denial.rule else ""
        return f"image {self.image} in namespace {self.namespace} is denied by {self.plugin}{by}: {self.denial.text}"


def lockouts(
    plugins: Iterable[ConfiguredPlugin], protected: Iterable[Protected], *, now: datetime
) -> tuple[Lockout, ...]:
    """Every image of ``protected`` that a plug-in in mode ``enforce`` denies, or may deny."""
    enforcing = tuple(each for each in plugins if not each.only_as)
    return tuple(
        found
        for each in protected
        for image in dict.fromkeys(each.images)
        for found in _of_image(enforcing, each, image, now)
    )


def _of_image(
    plugins: Iterable[ConfiguredPlugin], protected: Protected, image: str, now: datetime
) -> Iterator[Lockout]:
    namespace, document = protected.namespace, protected.document
    request = _pod_request(namespace, image)
    known = KnownAnswers() if document is None else KnownAnswers({Namespace(namespace): Found(document)})
    for configured in plugins:
        modes = configured.modes
        mode = modes.strictest() if document is None else modes.for_labels(labels_of(document))
        if mode is Mode.ENFORCE and configured.plugin.covers(request):
            for denial in configured.plugin.decide(request, known, now=now).denials:
                yield Lockout(namespace, image, configured.name, denial)


def _pod_request(namespace: str, image: str) -> AdmissionRequest:
    return AdmissionRequest(
        uid="lockout",
        phase=Phase.MUTATE,
        operation="CREATE",
        kind=POD,
        resource=PODS,
        request_kind=POD,
        request_resource=PODS,
        namespace=namespace,
        object={
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "lockout", "namespace": namespace},
            "spec": {"containers": [{"name": "container", "image": image}]},
        },
    )
