"""Configuration documents from the file system."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagegate.core.profile import Profile
from imagegate.errors import InvalidPolicy
from imagegate.policy.master_config import MasterConfig, read_config
from imagegate.policy.source import DOCUMENT_MAX_BYTES, decode_utf8


@dataclass(frozen=True, slots=True)
class NeighbourFiles:
    """Files named by a document; relative paths are resolved against the document's directory."""

    directory: Path

    def name(self, path: str) -> str:
        """The resolved path."""
        return str(self.directory / path)

    def read(self, path: str) -> bytes:
        """The content, at most one byte more than a document may have.

        Raises:
            OSError: it cannot be read.
        """
        return _read_bounded(self.directory / path)

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return (self.directory / path).is_file()


def load_config(path: Path, profile: Profile = Profile.DOCUMENTED, *, strict_yaml: bool = False) -> MasterConfig:
    """Read a master-config.yaml or a stand-alone ImagePolicyConfig.

    Raises:
        InvalidPolicy: it cannot be read, or is wrong.
    """
    try:
        content = _read_bounded(path)
    except OSError as error:
        raise InvalidPolicy(f"{path}: cannot be read: {error.strerror or error}") from error
    text = decode_utf8(content, str(path))
    return read_config(text, str(path), profile, NeighbourFiles(path.parent), strict_yaml=strict_yaml)


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(DOCUMENT_MAX_BYTES + 1)
