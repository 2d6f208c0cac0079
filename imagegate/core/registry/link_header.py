"""``Link`` headers: the next page of a list.

Grammar: RFC 8288 section 3, with parameter names and relation types in any case and a relation type that may be one of
several. Registries also send the bare target, or no relation type; clients of registries follow both.
Source: containers/image, docker/docker_image.go; distribution/distribution, internal/client/repository.go.
"""

from __future__ import annotations

import re

from imagegate.core.kube.printable import printable
from imagegate.errors import Malformed

HEADER_MAX_LENGTH = 8192
_TARGET = re.compile(r"[ \t,]*<([^<>]*)>")
_BARE = re.compile(r"[ \t]*([^<>;, \t]+)(?=[ \t]*(?:;|$))")
_PARAMETER = re.compile(r'[ \t]*;[ \t]*([^ \t=;,"<>]*)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t;,"]*)))?')
_END = re.compile(r"[ \t]*(?:,|$)")


def next_link(header: str) -> str | None:
    """The target of the link to the next page; None if the header has no such link.

    A link without a relation type leads to the next page if it is the only one.

    Raises:
        Malformed: it is not a list of links, so that it is not known whether there is a next page.
    """
    text = header.strip(" \t,")
    if not text:
        return None
    links = _links(text)
    for target, relations in links:
        if relations is not None and "next" in relations:
            return target
    if len(links) == 1 and links[0][1] is None:
        return links[0][0]
    return None


def _links(text: str) -> list[tuple[str, list[str] | None]]:
    """Targets and their relation types in lower case, None where none is written."""
    if len(text) > HEADER_MAX_LENGTH:
        raise Malformed("Link header: too long")
    found: list[tuple[str, list[str] | None]] = []
    at = 0
    while at < len(text):
        target = _TARGET.match(text, at) or (None if found else _BARE.match(text, at))
        if target is None:
            raise _unreadable(text)
        at, relations = target.end(), None
        while (parameter := _PARAMETER.match(text, at)) is not None:
            if parameter.group(1).lower() == "rel" and relations is None:
                relations = (parameter.group(2) or parameter.group(3) or "").lower().split()
            at = parameter.end()
        end = _END.match(text, at)
        if end is None:
            raise _unreadable(text)
        found.append((target.group(1).strip(), relations))
        at = end.end()
    return found


def _unreadable(text: str) -> Malformed:
    return Malformed(f"Link header '{printable(text, 256)}' cannot be read, so the list may have more pages")
