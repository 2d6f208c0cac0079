"""Transport of a fetch."""

from __future__ import annotations

import enum


class Transport(enum.Enum):
    """Transport of the fetch; decides the port of a registry written without one."""

    ANY = "any"
    """Insecure is permitted and secure is tried as well, so the port is not known."""
    SECURE = "secure"
    INSECURE = "insecure"
