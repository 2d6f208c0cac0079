"""A DNS server that answers some names, and lets others hang."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ANSWER, _NAME_ERROR = 0x8180, 0x8183
"""Flags of an answer (RFC 1035 section 4.1.1): response, recursion desired and available; with code 3, no such name."""
_ADDRESS = 1
"""The type ``A``."""


@dataclass(slots=True)
class NameServer:
    """Names that it was asked for so far, and its address; port 53, the only one that the system's resolver knows."""

    address: str
    asked: list[str] = field(default_factory=list)

    def in_force(self, directory: Path) -> tuple[str, ...]:
        """The beginning of a command that then uses this server for names, and no other."""
        file = directory / "resolv.conf"
        file.write_text(f"nameserver {self.address}\n")
        mount = f'mount --bind {file} /etc/resolv.conf && exec "$@"'
        rights = () if os.geteuid() == 0 else ("--map-root-user", "--user")
        return ("unshare", "--mount", *rights, "sh", "-c", mount, "sh")


@contextlib.contextmanager
def name_server(resolve: Callable[[str], str | None], *, address: str = "127.0.0.153") -> Iterator[NameServer]:
    """A server while the block runs.

    Args:
        resolve: from a name to its address, empty where there is none; None: no answer, ever.
    """
    server = NameServer(address)
    ends = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((address, 53))
        listener.settimeout(0.1)

        def serve() -> None:
            while not ends.is_set():
                with contextlib.suppress(TimeoutError):
                    query, client = listener.recvfrom(4096)
                    name, after = _name(query)
                    server.asked.append(name)
                    found = resolve(name)
                    if found is not None:
                        listener.sendto(_answer(query[: after + 4], found), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            ends.set()
            thread.join()


def _name(query: bytes) -> tuple[str, int]:
    """The name in a query, and where it ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def _answer(query: bytes, address: str) -> bytes:
    identity, question = query[:2], query[12:]
    is_address = question[-4:-2] == struct.pack("!H", _ADDRESS)
    found = is_address and address
    head = identity + struct.pack("!5H", _ANSWER if address else _NAME_ERROR, 1, int(bool(found)), 0, 0)
    if not found:
        return head + question
    record = struct.pack("!HHHIH", 0xC00C, _ADDRESS, 1, 60, 4) + socket.inet_aton(address)
    return head + question + record
