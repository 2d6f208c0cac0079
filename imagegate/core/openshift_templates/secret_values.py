"""Values that a TemplateInstance takes from its Secret.

Source: openshift/openshift-controller-manager, pkg/template/controller/templateinstance_controller.go: a parameter that
the Secret's data names has that value, before the one that the Template names.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from imagegate.core.openshift_templates.parameters import BadTemplate

Values = Mapping[str, str]


class Secrets:
    """Secrets that lie beside Templates in files. Their values are put into objects, and never into messages.

    Args:
        documents: objects of any kind; those that are no Secrets are left out, of two with one name the last counts.
        namespace: for objects that do not set one.
    """

    __slots__ = ("_by_place", "_namespace")

    def __init__(self, documents: Iterable[Mapping[str, Any]] = (), namespace: str = "") -> None:
        self._namespace = namespace
        self._by_place = {self._place(each): each for each in documents if is_secret(each)}

    def values(self, instance: Mapping[str, Any], name: str) -> Values | None:
        """The values of the Secret of this name in a TemplateInstance's namespace; None if it is not here.

        Raises:
            BadTemplate: an API server would not accept the Secret.
        """
        secret = self._by_place.get((self._place(instance)[0], name))
        return None if secret is None else _read(secret, name)

    def _place(self, document: Mapping[str, Any]) -> tuple[str, str]:
        metadata = document.get("metadata")
        named = metadata if isinstance(metadata, Mapping) else {}
        return str(named.get("namespace") or self._namespace), str(named.get("name") or "")


def is_secret(document: Mapping[str, Any]) -> bool:
    """True for a Secret."""
    return document.get("kind") == "Secret" and document.get("apiVersion") == "v1"


def _read(secret: Mapping[str, Any], name: str) -> Values:
    found: dict[str, str] = {}
    for field in ("data", "stringData"):  # the API server lets the second win
        entries = secret.get(field) or {}
        if not isinstance(entries, Mapping) or not all(isinstance(value, str) for value in entries.values()):
            raise BadTemplate("spec.secret", f"Secret {name}: {field}: expected an object of strings")
        found |= entries if field == "stringData" else {key: _decoded(text, name, key) for key, text in entries.items()}
    return found


def _decoded(text: str, name: str, key: str) -> str:
    try:
        content = base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
        return content.decode("utf-8")
    except (binascii.Error, ValueError) as error:  # the error would show the value
        raise BadTemplate("spec.secret", f"Secret {name}: data.{key}: not base64 of a UTF-8 string") from error
