"""Who owns a host, roughly: hosts of one owner share what each owner may use."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "gv", "ne", "net", "nom", "or", "org"})


@lru_cache(maxsize=4096)
def registrable(host: str) -> str:
    """The part of ``HOST[:PORT]`` that one owner has: two labels, three below ``co.uk`` and the like; an address whole.

    Only for sharing fairly; wrong by a label it makes strangers share, or lets one owner have a few more.
    """
    name = _without_port(host).lower().rstrip(".")
    if _is_address(name):
        return name
    labels = name.split(".")
    wide = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3 if wide else -2 :])


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _is_address(name: str) -> bool:
    if not (":" in name or name[-1:].isdigit()):
        return False
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
