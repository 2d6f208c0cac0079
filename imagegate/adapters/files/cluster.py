"""Policies, Secrets, service accounts and owners from files and folders: enforcement without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.adapters.files.documents import DiskDocuments, object_nodes, read_each
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.admission.owners import Owner
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from imagegate.core.kube.go_quote import go_quote
from imagegate.documents.image_policies import LoadedPolicies, Reading, read_nodes
from imagegate.documents.yaml.nodes import Node, plain
from imagegate.documents.yaml.source import decode_utf8
from imagegate.errors import InvalidPolicy
from imagegate.ports.cluster import Owners, Secrets, ServiceAccounts
from imagegate.ports.documents import Documents

SOURCE = "files"
_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class ClusterFiles:
    """The ports ``Secrets``, ``ServiceAccounts`` and ``Owners`` over the objects of some files, and their policies."""

    policies: LoadedPolicies = field(default_factory=LoadedPolicies)
    objects: dict[_Key, dict[str, Any]] = field(default_factory=dict)
    """By API version, kind, namespace and name."""

    def add(self, documents: Sequence[Node], name: str, reading: Reading) -> None:
        """Add the objects of the documents of a file; ``name`` is the file's, for messages.

        Raises:
            InvalidPolicy: as ``load_cluster_files``.
        """
        self.policies.add(read_nodes(documents, name, reading))
        for found in _objects(documents):
            metadata = found.get("metadata")
            if isinstance(metadata, Mapping) and metadata.get("name"):
                namespace = str(metadata.get("namespace") or reading.namespace)
                key = (str(found.get("apiVersion")), str(found.get("kind")), namespace, str(metadata["name"]))
                self.objects[key] = found

    def secret(self, question: Secret, *, deadline_s: float) -> Lookup[dict[str, Any]]:  # noqa: ARG002
        """See ``ports.cluster.Secrets``."""
        return self._object(("v1", "Secret", question.namespace, question.name), "secrets")

    def service_account(self, question: ServiceAccount, *, deadline_s: float) -> Lookup[dict[str, Any]]:  # noqa: ARG002
        """See ``ports.cluster.ServiceAccounts``."""
        return self._object(("v1", "ServiceAccount", question.namespace, question.name), "serviceaccounts")

    def owner(self, question: Owner, *, deadline_s: float) -> Lookup[dict[str, Any]]:  # noqa: ARG002
        """See ``ports.cluster.Owners``."""
        key = (question.api_version, question.kind, question.namespace, question.name)
        return self._object(key, f"{question.kind.lower()}s")

    def _object(self, key: _Key, plural: str) -> Lookup[dict[str, Any]]:
        found = self.objects.get(key)
        return Absent(f"{plural} {go_quote(key[3])} not found", plural) if found is None else Found(found, SOURCE)


def load_cluster_files(
    paths: Iterable[Path], reading: Reading | None = None, documents: Documents | None = None
) -> ClusterFiles:
    """Read files, and the documents in folders and below.

    Args:
        paths: files and folders.
        reading: options for policies; its namespace is also for other objects that do not set one.
        documents: where to read them; by default from disk.

    Raises:
        InvalidPolicy: files cannot be read, are not YAML or JSON, or hold a policy that is wrong or written twice;
            a line for every fault.
    """
    reading = reading or Reading()
    documents = documents or DiskDocuments()
    loaded = ClusterFiles()

    def read(file: Path) -> None:
        loaded.add(object_nodes(read_text(file, documents), file, documents), str(file), reading)

    read_each(paths, documents, read)
    return loaded


def _objects(documents: Iterable[Node]) -> Iterator[dict[str, Any]]:
    """All objects, lists flattened; policies among them are ignored."""
    for node in documents:
        found = plain(node)
        if not isinstance(found, dict):
            continue
        items = found.get("items")
        if str(found.get("kind") or "").endswith("List") and isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))
        else:
            yield found


def read_text(path: Path, documents: Documents | None = None) -> str:
    """A file's text.

    Raises:
        InvalidPolicy: it cannot be read, is too large or not UTF-8.
    """
    try:
        content = (documents or DiskDocuments()).read(path)
    except OSError as error:
        raise InvalidPolicy(f"{path}: cannot be read: {error.strerror}") from error
    return decode_utf8(content, str(path))


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[Owners], type[Secrets], type[ServiceAccounts]] = (ClusterFiles, ClusterFiles, ClusterFiles)
