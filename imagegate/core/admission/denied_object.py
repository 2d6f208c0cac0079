"""The denial of an object that a controller made, as an Event tells it to the owner: reason, note, annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from imagegate.core.admission.decision import LACK_OF_EVIDENCE, Denial, DenialCode
from imagegate.core.admission.hint import told
from imagegate.core.admission.owners import controller_reference
from imagegate.core.admission.request import AdmissionRequest

DENIED = "ImageDenied"
NOT_JUDGED = "ImageNotJudged"
"""Reason where nothing is known against the image: a look-up failed, or the service did."""
NOTE_MAX_BYTES = 1024
"""Limit of ``note`` (kubernetes, pkg/apis/core/validation/events.go, NoteLengthLimit)."""
ANNOTATION_PREFIX = "imagegate.dev/"
_SHOWN_MAX = 256
"""Longest annotation, in characters."""
_NAME_MAX = 253
"""No name, kind or UID in Kubernetes is longer."""
_NO_VERDICT = LACK_OF_EVIDENCE | {DenialCode.INTERNAL_ERROR}


class OwnerReference(NamedTuple):
    """The controller that an object names as its owner. The object's author writes it: it proves nothing."""

    api_version: str
    kind: str
    name: str
    uid: str


class DeniedObject(NamedTuple):
    """A denial that somebody has to be told who did not make the request."""

    namespace: str
    owner: OwnerReference
    reason: str
    note: str
    """One sentence, ``NOTE_MAX_BYTES`` at most."""
    annotations: tuple[tuple[str, str], ...]
    """Plug-in, code, image and rule of the first denial, for programs."""

    @property
    def key(self) -> tuple[object, ...]:
        """The same for every denial that counts as a repetition. The note may tell a time, so it is left out."""
        return self.namespace, self.owner, self.reason, self.annotations


def denied_object(request: AdmissionRequest, denials: Sequence[tuple[str, Denial]]) -> DeniedObject | None:
    """The denial of ``request``; None if no controller made the object, or nothing was to be stored.

    Args:
        denials: plug-in and denial, the first one first; at least one.
    """
    if request.dry_run or not request.namespace or len(request.namespace) > _NAME_MAX:
        return None
    owner = named_owner(request.object or {})
    if owner is None:
        return None
    plugin, denial = denials[0]
    no_verdict = all(each.code in _NO_VERDICT for _, each in denials)
    verb = "could not be judged" if no_verdict else "was denied"
    more = f" (and {len(denials) - 1} more)" if len(denials) > 1 else ""
    note = f"{request.kind.kind} of {owner.kind} {owner.name} {verb} by {plugin}: {_sentence(denial)}"
    shown = {"plugin": plugin, "code": denial.code.value, "image": denial.image, "rule": denial.rule}
    return DeniedObject(
        request.namespace,
        owner,
        NOT_JUDGED if no_verdict else DENIED,
        _cut(note, more),
        tuple((ANNOTATION_PREFIX + name, text[:_SHOWN_MAX]) for name, text in shown.items() if text.strip()),
    )


def named_owner(document: Mapping[str, object]) -> OwnerReference | None:
    """The controller that ``document`` names; None if it names none, or not as Kubernetes does."""
    reference = controller_reference(document) or {}
    values = [reference.get(key) for key in ("apiVersion", "kind", "name", "uid")]
    texts = [each for each in values if isinstance(each, str) and 0 < len(each) <= _NAME_MAX]
    return OwnerReference(*texts) if len(texts) == len(values) else None


def _sentence(denial: Denial) -> str:
    """Place, image, reason, rule and nearest rule, each once."""
    image = denial.image.strip()
    by = f" ({denial.rule})" if denial.rule and denial.rule not in denial.text else ""
    because = told(f"{denial.because}{by}", denial.hint)
    return ": ".join(filter(None, (denial.at, image if image not in denial.because else "", because)))


def _cut(text: str, end: str) -> str:
    """``text`` and ``end`` in one line, within the limit of a note."""
    line = " ".join(text.split()).encode("utf-8", "replace")
    room = NOTE_MAX_BYTES - len(end)
    if len(line) <= room:
        return line.decode() + end
    return line[: room - len("…".encode())].decode("utf-8", "ignore") + "…" + end
