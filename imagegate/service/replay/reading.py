"""Recorded documents of every kind as requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.errors import InvalidInput
from imagegate.service.replay import audit_log, decision_log
from imagegate.service.replay.fields import mapping, text
from imagegate.service.replay.recorded import NOTHING_RECORDED, Entry, Judged, NoChange, Reason, Recorded, Word

_AUDIT_VERSIONS = ("audit.k8s.io/v1", "audit.k8s.io/v1beta1")


def documents_in(document: object) -> Iterator[object]:
    """The documents of a list, such as the ``EventList`` of an audit webhook; else the document itself."""
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
        items = document.get("items")
        if isinstance(items, list):
            yield from items
            return
    yield document


def read_recorded(document: object, webhooks: frozenset[str] = frozenset()) -> Entry:
    """One document as a request with its recorded verdict.

    Args:
        webhooks: see ``audit_log.read_event``.

    Raises:
        InvalidInput: it is none of the documents that can be replayed, or a field has the wrong type.
    """
    if not isinstance(document, dict):
        raise InvalidInput("not a JSON object")
    kind, version = document.get("kind"), document.get("apiVersion")
    if kind == "AdmissionReview":
        return _read_review(document)
    if kind == audit_log.KIND and version in _AUDIT_VERSIONS:
        return audit_log.read_event(document, webhooks)
    if document.get("logger") == decision_log.LOGGER:
        return decision_log.read_record(document)
    if "logger" in document and "level" in document:
        return NoChange("other log lines")
    raise InvalidInput(
        "neither an AdmissionReview, nor an event of an audit log, nor a decision of imagegate's log"
        f" (kind {kind!s:.80}); imagegate check judges manifests"
    )


def _read_review(review: Mapping[str, Any]) -> Recorded:
    request = AdmissionRequest.parse(review, Phase.MUTATE)
    response = mapping(review, "response")
    if not response:
        return Recorded(request, NOTHING_RECORDED)
    allowed = response.get("allowed")
    if not isinstance(allowed, bool):
        raise InvalidInput("response.allowed: expected true or false")
    if text(response, "uid") not in ("", request.uid):
        raise InvalidInput("response.uid: this is the response to another request")
    if allowed:
        return Recorded(request, Judged(Word.ALLOWED))
    return Recorded(request, Judged(Word.DENIED, (Reason(because=text(mapping(response, "status"), "message")),)))
