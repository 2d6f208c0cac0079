"""Stored references that the import list would refuse today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from imagegate.core.image_streams.objects import read_stream
from imagegate.core.import_gate.gate import ImportGate, RecordingGate
from imagegate.core.import_gate.validation import validate_stream


class OutsideReference(NamedTuple):
    """One stored reference outside the list."""

    namespace: str
    stream: str
    at: str
    """Field path."""
    image: str
    because: str


def outside_references(gate: ImportGate, stream: Mapping[str, Any]) -> Iterator[OutsideReference]:
    """References that the gate would refuse if the stream were new, in the order of the gate.

    Raises:
        InvalidInput: a field of the stream has the wrong type.
    """
    found = read_stream(stream)
    for finding in validate_stream(RecordingGate(gate), found):
        if finding.refused:
            yield OutsideReference(
                found.metadata.namespace,
                found.metadata.name,
                finding.error.field,
                finding.image,
                finding.told.detail,
            )
