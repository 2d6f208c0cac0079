"""The sentence of a server in its error answer, made fit for a message.

Registries answer with ``{"errors": [{code, message, detail}]}`` (distribution-spec, "Error Codes"), token servers with
``{"error", "error_description"}`` (RFC 6749 section 5.2) or ``{"details"}``, proxies and web servers with HTML or plain
text. Whatever it is, the result is one printable line of bounded length without the request's credential.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from imagegate.core.kube.printable import printable

SENTENCE_MAX_LENGTH = 300
READ_MAX_BYTES = 8192
_ERRORS_MAX = 3
_SECRET_MIN_LENGTH = 4
_SECRET_FIELDS = ("password", "refresh_token")
_HIDDEN = "[hidden]"
_HTML = re.compile(r"\s*(?:<!doctype\s+html|<html|<head|<body|<\?xml)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>([^<]*)</title|<h1[^>]*>([^<]*)</h1", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def error_sentence(content_type: str, body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """The sentence of an answer; empty if it says nothing that a person could read.

    Args:
        content_type: media type in lower case, without parameters.
        body: the first bytes are enough.
        secrets: what was sent and must not be shown, since it may come back in the answer (``secrets_of``).
    """
    text = body[:READ_MAX_BYTES].decode("utf-8", "replace")
    said = _said(content_type, text)
    for secret in secrets:
        said = said.replace(secret, _HIDDEN)
    return printable(_SPACES.sub(" ", said).strip(), SENTENCE_MAX_LENGTH)


def _said(content_type: str, text: str) -> str:
    document = _json(text)
    if document is not None:
        return _of_json(document)
    if content_type in {"text/html", "application/xhtml+xml"} or _HTML.match(text):
        title = _TITLE.search(text)
        return "a web page" + (f' titled "{_plain(title)}"' if title is not None and _plain(title) else "")
    return text if content_type in {"", "text/plain"} and "\x00" not in text else ""


def _plain(title: re.Match[str]) -> str:
    return html.unescape(title.group(1) or title.group(2) or "").strip()


def _json(text: str) -> Any:
    if text[:64].lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_json(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    if isinstance(errors, list):
        return "; ".join(filter(None, map(_of_error, errors[:_ERRORS_MAX])))
    code, text = document.get("error"), ""
    for key in ("error_description", "message", "details", "detail"):
        if isinstance(document.get(key), str) and not text:
            text = document[key]
    return ": ".join(filter(None, (code if isinstance(code, str) else "", text)))


def _of_error(error: Any) -> str:
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    found = (error.get("code"), error.get("message") or error.get("detail"))
    return ": ".join(text for text in found if isinstance(text, str) and text)


def secrets_of(authorization: str, form: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The secrets of a request: of its ``Authorization`` header, for ``Basic`` the password too, and of its form."""
    scheme, _, value = authorization.partition(" ")
    found = [value, *((form or {}).get(name, "") for name in _SECRET_FIELDS)]
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            found.append(base64.b64decode(value).decode("utf-8", "replace").partition(":")[2])
    return tuple(sorted((each for each in found if len(each) >= _SECRET_MIN_LENGTH), key=len, reverse=True))
