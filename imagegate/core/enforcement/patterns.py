"""Repository patterns of ClusterImagePolicy and ImagePolicy: ``*`` matches any run, everything else itself.

Byte-wise and case-sensitive; comparing strings gives the same results as comparing their UTF-8 bytes.
Source: docs/spec/enforcement.md 8.2 (Portieris 0.14.2, ``CompareImageRef``). Selection among many entries does not
try patterns one by one: see ``core.enforcement.entry_index``.
"""

from __future__ import annotations

TAG_SEPARATOR = ":"


def compare(pattern: str, text: str) -> bool:
    """True if the whole of ``text`` matches ``pattern``."""
    return matches_pieces(tuple(pattern.split("*")), text)


def compare_any_tag(pattern: str, text: str) -> bool:
    """True if ``text`` matches ``pattern``, or ``pattern`` with ``:*`` added."""
    return compare(pattern, text) or compare(pattern + ":*", text)


def compare_image_ref(pattern: str, image: str) -> bool:
    """True if an entry's name matches an image string; host and path are compared apart.

    ``*`` in the part before the first ``/`` never matches beyond it, so ``*.trusted.example.com/org/*``
    does not match ``attacker.example.org/x.trusted.example.com/org/app``.
    """
    host_pattern, slash, path_pattern = pattern.partition("/")
    if not slash:
        return compare_any_tag(pattern, image)
    host, slash, path = image.partition("/")
    return bool(slash) and compare(host_pattern, host) and compare_any_tag(path_pattern, path)


def matches_pieces(pieces: tuple[str, ...], text: str) -> bool:
    """True if ``text`` is the pieces with any runs between them (a pattern split at every ``*``)."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return text == first
    if not text.startswith(first) or not text.endswith(last):
        return False
    return fits_between(pieces, text, len(text))


def fits_between(pieces: tuple[str, ...], text: str, end: int) -> bool:
    """True if the inner pieces occur in ``text[:end]`` in order, without overlap with the first and last piece.

    The caller has checked that ``text[:end]`` begins and ends with those two. The first occurrence of each inner
    piece is the right one: it leaves the most room for the rest.
    """
    at, end = len(pieces[0]), end - len(pieces[-1])
    if at > end:
        return False
    for piece in pieces[1:-1]:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def quality(pattern: str) -> int:
    """Specificity of a name: its length in bytes without the ``*``s (docs/spec/enforcement.md 8.3)."""
    return len(pattern.encode("utf-8", "surrogatepass")) - pattern.count("*")
