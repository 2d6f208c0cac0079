"""The form in which a client accepts a response: media type, and Table or PartialObjectMetadata.

Two parts of the original look at the ``Accept`` header: go-restful, which knows only media types, and the negotiation
of k8s.io/apiserver (0.34, ``pkg/endpoints/handlers/negotiation``), which knows their parameters.
"""

from __future__ import annotations

from typing import NamedTuple

from imagegate.core.kube.status import Status, StatusError
from imagegate.web.image_api.protobuf import MEDIA_TYPE

JSON, YAML, PROTOBUF = "application/json", "application/yaml", MEDIA_TYPE
_PRODUCED = (JSON, YAML, PROTOBUF)
_WRITTEN = {JSON: JSON, YAML: YAML, PROTOBUF: PROTOBUF, "application/*": JSON, "*/*": JSON}
_LISTED = ", ".join(_PRODUCED)
_META_VERSIONS = ("v1", "v1beta1")


class Form(NamedTuple):
    """The form that the client wants: ``Table``, ``PartialObjectMetadata``, or empty for the object itself."""

    name: str = ""
    version: str = "v1"
    """Of the group meta.k8s.io."""
    media_type: str = JSON

    @property
    def is_protobuf(self) -> bool:
        """True if the client prefers protobuf to JSON."""
        return self.media_type == PROTOBUF


def accepted_form(accept: str) -> Form:
    """The first form of the ``Accept`` header that the API has.

    Raises:
        StatusError: 406, the API has none of them.
    """
    clauses = [_clause(part) for part in accept.split(",") if part.strip()] or [_Clause(JSON, {})]
    if not any(clause.media_type in ("*/*", *_PRODUCED) for clause in clauses):
        message = f"406: Not Acceptable\n\nAvailable representations: {_LISTED}"
        raise StatusError(Status(code=406, reason="NotAcceptable", message=message, has_details=True))
    for clause in sorted(clauses, key=lambda each: -each.quality):
        form = _form_of(clause)
        if form is not None:
            return form
    what = f"only the following media types are accepted: {_LISTED}"
    raise StatusError(Status(code=406, reason="NotAcceptable", message=what))


class _Clause(NamedTuple):
    media_type: str
    parameters: dict[str, str]

    @property
    def quality(self) -> float:
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 0.0


def _clause(part: str) -> _Clause:
    media_type, *parameters = (piece.strip() for piece in part.split(";"))
    return _Clause(media_type, dict(parameter.partition("=")[::2] for parameter in parameters))


def _form_of(clause: _Clause) -> Form | None:
    media_type = _WRITTEN.get(clause.media_type)
    if media_type is None:
        return None
    wanted, given = clause.parameters.get("as", ""), clause.parameters
    if not wanted:
        return Form(media_type=media_type)
    if media_type == PROTOBUF:
        return None
    name, version = wanted.removesuffix("List"), given.get("v", "")
    if given.get("g") != "meta.k8s.io" or version not in _META_VERSIONS:
        return None
    return Form(name, version, media_type) if name in ("Table", "PartialObjectMetadata") else None
