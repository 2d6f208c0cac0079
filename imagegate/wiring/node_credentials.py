"""Credentials of the nodes, from Docker configuration files (docs/spec/enforcement.md 10.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagegate.core.registry.pull_secrets import (
    SECRET_MAX_BYTES,
    InvalidPullSecret,
    PullSecret,
    parse_docker_configuration,
)
from imagegate.errors import InvalidSettings
from imagegate.ports.documents import Documents
from imagegate.settings.load import Settings


def node_secrets(settings: Settings, documents: Documents) -> tuple[PullSecret, ...]:
    """The files of ``registry.nodeCredentials``, in their order.

    Raises:
        InvalidSettings: one cannot be read, or holds no credentials.
    """
    return tuple(_read(settings, documents))


def _read(settings: Settings, documents: Documents) -> Iterator[PullSecret]:
    for path in map(Path, settings.registry.node_credentials):
        try:
            entries = parse_docker_configuration(documents.read(path, at_most=SECRET_MAX_BYTES))
        except OSError as error:
            why = error.strerror or str(error)
            raise InvalidSettings(f"registry.nodeCredentials: {path}: cannot be read: {why}") from error
        except InvalidPullSecret as error:
            raise InvalidSettings(f"registry.nodeCredentials: {path}: {error}") from error
        yield PullSecret(str(path), entries)
