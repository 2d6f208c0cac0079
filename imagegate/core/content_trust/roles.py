"""Names of the roles that every collection has."""

from __future__ import annotations

ROOT, TIMESTAMP, SNAPSHOT, TARGETS = "root", "timestamp", "snapshot", "targets"
