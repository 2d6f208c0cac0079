"""The end of a listening socket, so that nobody who has connected is reset.

The kernel resets connections that wait to be accepted when the last process closes their socket. So at first no new
ones are let in, then those that wait are accepted, and only then it is closed.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

_SO_ATTACH_FILTER = 26
_PROGRAM = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x45, 0, 1, 0x02),  # SYN?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)
"""Classic BPF (linux/filter.h). A client whose SYN is dropped sends it again after a second, and is refused then."""


def let_nobody_in(listener: socket.socket) -> bool:
    """Begin no new connections, in any process that shares the socket; those under way are completed.

    Returns:
        Whether the system can do that.
    """
    instructions = b"".join(struct.pack("HBBI", *each) for each in _PROGRAM)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("HP", len(_PROGRAM), ctypes.addressof(buffer))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def is_open_in(pid: int, listener: socket.socket) -> bool:
    """Whether another process has the socket open as well; also where that cannot be seen."""
    wanted = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return Path(f"/proc/{pid}").exists()
    for descriptor in descriptors:
        try:
            if str(descriptor.readlink()) == wanted:
                return True
        except OSError:  # closed meanwhile
            continue
    return False
