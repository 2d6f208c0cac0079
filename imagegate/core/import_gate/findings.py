"""Findings about image-stream objects, and the checks that objects and imports have in common.

Source: docs/spec/import-gate.md 3. The texts are the original's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from imagegate.core.admission.hint import told
from imagegate.core.image_streams.metadata_validation import path_segment_errors
from imagegate.core.image_streams.objects import ImportPolicy
from imagegate.core.kube.field_errors import FieldError, invalid
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_IMPORT_MODES = ("", "Legacy", "PreserveOriginal")


class Finding(NamedTuple):
    """One error and the image it is about, as written (empty: none).

    ``refused``: the list refused the image. ``is_unknown``: a look-up failed. ``hint``: see ``Denial.hint``.
    """

    error: FieldError
    image: str = ""
    refused: bool = False
    is_unknown: bool = False
    hint: str = ""

    @property
    def told(self) -> FieldError:
        """The error with the hint."""
        return replace(self.error, detail=told(self.error.detail, self.hint)) if self.hint else self.error


def without_refusal(errors: Iterable[FieldError]) -> list[Finding]:
    """The findings of errors that are not about the list."""
    return [Finding(error) for error in errors]


def stream_name_errors(name: str, prefix: bool = False) -> list[str]:
    """Errors of ``name`` as the name of an image stream."""
    errors = path_segment_errors(name, prefix)
    if not errors and _NAME.fullmatch(name) is None:
        errors.append(f"must match {go_quote(_NAME.pattern)}")
    return errors


def import_mode_errors(policy: ImportPolicy, path: str) -> list[FieldError]:
    """Errors of an import policy at ``path``."""
    if policy.import_mode in _IMPORT_MODES:
        return []
    text = "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'"
    return [invalid(f"{path}.importMode", policy.import_mode, text)]


def reference_errors(path: str, text: str) -> list[FieldError]:
    """Errors of ``text`` as an image reference at ``path``."""
    try:
        ImageReference.parse(text)
    except InvalidReference as error:
        return [invalid(path, text, str(error))]
    return []
