"""Configuration documents from the file system."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.core.profile import Profile
from imagegate.documents.master_config import MasterConfig, read_config
from imagegate.documents.yaml.source import decode_utf8
from imagegate.errors import InvalidPolicy
from imagegate.ports.documents import Documents


@dataclass(frozen=True, slots=True)
class ReferencedDiskFiles:
    """Files named by a document; relative paths are resolved against the document's directory."""

    directory: Path
    documents: Documents = field(default_factory=DiskDocuments)

    def name(self, path: str) -> str:
        """The resolved path."""
        return str(self.directory / path)

    def read(self, path: str) -> bytes:
        """The content, at most one byte more than a document may have.

        Raises:
            OSError: it cannot be read.
        """
        return self.documents.read(self.directory / path)

    def exists(self, path: str) -> bool:
        """True if there is such a file."""
        return self.documents.is_file(self.directory / path)


def load_config(
    path: Path,
    profile: Profile = Profile.DOCUMENTED,
    *,
    strict_yaml: bool = False,
    documents: Documents | None = None,
) -> MasterConfig:
    """Read a master-config.yaml or a stand-alone ImagePolicyConfig, by default from disk.

    Raises:
        InvalidPolicy: it cannot be read, or is wrong.
    """
    try:
        documents = documents or DiskDocuments()
        content = documents.read(path)
    except OSError as error:
        raise InvalidPolicy(f"{path}: cannot be read: {error.strerror or error}") from error
    text = decode_utf8(content, str(path))
    return read_config(text, str(path), profile, ReferencedDiskFiles(path.parent, documents), strict_yaml=strict_yaml)
