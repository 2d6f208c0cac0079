"""How much one object may hold.

Bytes bound a text, not the work that it makes: three bytes, ``{},``, are a whole object with its defaults once they
are decoded. So values are counted too, before anything is made of them.
"""

from __future__ import annotations

from imagegate.errors import InvalidInput

VALUES_MAX = 100_000
"""Objects, lists and scalars in one object. An object of the size that etcd takes has at most some 60,000."""
OBJECT_MAX_BYTES = 3 * 1024 * 1024
"""Of an object as JSON: Kubernetes' limit of a body."""


class TooLarge(InvalidInput):
    """An object is larger than objects may be."""


def too_many_values() -> TooLarge:
    """An object has more than ``VALUES_MAX`` values."""
    return TooLarge(f"an object may have {VALUES_MAX} values at most")


def check_amount(value: object) -> None:
    """Count the values, and the characters of strings and keys.

    Raises:
        TooLarge: there are too many.
    """
    left, room = VALUES_MAX, OBJECT_MAX_BYTES
    waiting: list[object] = [value]
    while waiting:
        each = waiting.pop()
        left -= 1
        if isinstance(each, dict):
            room -= sum(map(len, each))
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str):
            room -= len(each)
        if left < len(waiting):
            raise too_many_values()
        if room < 0:
            raise TooLarge(f"an object may have {OBJECT_MAX_BYTES} bytes at most")


def values_in(value: object) -> int:
    """How many values there are, with the value itself."""
    count = 0
    waiting: list[object] = [value]
    while waiting:
        each = waiting.pop()
        count += 1
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return count


def may_have_many(text: bytes) -> bool:
    """False if JSON surely has no more than ``VALUES_MAX`` values: marks in strings count too."""
    return text.count(b",") + text.count(b"{") + text.count(b"[") >= VALUES_MAX
