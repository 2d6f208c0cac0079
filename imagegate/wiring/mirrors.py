"""Mirrors of registries: those of the settings, and those in OpenShift's mirror objects from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.adapters.files.documents import DiskDocuments, listed
from imagegate.core.import_gate.checked_mirrors import CheckedMirrors
from imagegate.core.registry.mirrors import MirrorRule
from imagegate.documents.mirror_sets import merged, read_mirror_sets
from imagegate.documents.yaml.source import decode_utf8
from imagegate.errors import InvalidPolicy, InvalidSettings
from imagegate.ports.documents import Documents
from imagegate.settings.load import Settings

if TYPE_CHECKING:
    from imagegate.wiring.cluster import Cluster

MirrorSource = Callable[[], Sequence[MirrorRule] | None]
"""The rules in force; None while they are not known."""


def settings_mirrors(settings: Settings, documents: Documents | None = None) -> MirrorSource:
    """The rules of ``registry.mirrors``, before those of the objects in ``registry.mirrorSets``.

    Args:
        documents: where the files are read; None: on disk.

    Raises:
        InvalidSettings: a file cannot be read, or holds an object that is not of its kind's form.
    """
    rules = (*settings.registry.mirrors, *_from_files(settings.registry.mirror_sets, documents or DiskDocuments()))
    return lambda: rules


def mirror_source(settings: Settings, cluster: Cluster | None, documents: Documents) -> MirrorSource:
    """The rules of the settings, before those of the cluster where its objects are watched.

    Raises:
        InvalidSettings: as ``settings_mirrors``; or objects of a cluster are wanted, and there is none.
    """
    given = settings_mirrors(settings, documents)
    if not settings.registry.cluster_mirrors:
        return given
    watched = None if cluster is None else cluster.mirrors
    if watched is None:
        raise InvalidSettings("registry.clusterMirrors: needs a cluster block, and is read at the start")

    def rules() -> Sequence[MirrorRule] | None:
        first, others = given(), watched.rules()
        return None if first is None or others is None else (*first, *others)

    return rules


def _from_files(paths: Sequence[str], documents: Documents) -> list[MirrorRule]:
    rules: list[MirrorRule] = []
    for path in map(Path, paths):
        try:
            for file in listed([path], documents):
                rules += read_mirror_sets(decode_utf8(documents.read(file), str(file)), str(file))
        except OSError as error:
            raise InvalidSettings(f"registry.mirrorSets: {path}: cannot be read: {error.strerror or error}") from error
        except InvalidPolicy as error:
            raise InvalidSettings(*error.lines) from error
    return merged(rules)


def checked_mirrors(settings: Settings, mirrors: MirrorSource) -> CheckedMirrors:
    """For ``importGate.checkMirrors``."""
    return CheckedMirrors(mirrors, frozenset(each.lower() for each in settings.registry.insecure))
