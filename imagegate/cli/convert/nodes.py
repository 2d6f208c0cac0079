"""``policy.json`` and ``registries.d`` for nodes, from policies and the Secrets with their keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagegate.adapters.files.cluster import ClusterFiles, load_cluster_files
from imagegate.cli.convert.result import Result
from imagegate.core.enforcement.questions import InvalidSecret, secret_item
from imagegate.core.signing.key_ring import SECRET_ITEM
from imagegate.documents.convert.container_policy import container_policies
from imagegate.documents.convert.container_requirements import Keys
from imagegate.documents.convert.losses import Loss
from imagegate.documents.image_policies import LoadedPolicies, read_policies
from imagegate.errors import InvalidPolicy
from imagegate.ports.documents import Documents

KEY_FOLDER = "/etc/pki/containers"
NO_POLICY = "no ClusterImagePolicy and no ImagePolicy of an IBM group"


def convert_for_nodes(
    paths: Sequence[Path],
    documents: Documents,
    secrets: Sequence[Path],
    *,
    key_folder: str = KEY_FOLDER,
    allow_wider: bool = False,
) -> Result:
    """The files for the policies in ``paths``.

    Args:
        paths: files and folders.
        documents: where they are.
        secrets: more files, with Secrets; those among ``paths`` count as well.
        key_folder: folder of the nodes for keys of Secrets that are not given.
        allow_wider: write scopes that also hold images that no entry matches.

    Raises:
        InvalidPolicy: a file does not load, or there is no policy.
    """
    loaded = load_cluster_files(paths, documents=documents)
    if not loaded.policies.policies:
        named = ", ".join(map(str, paths))
        raise InvalidPolicy(f"{named}: {NO_POLICY}")
    found = loaded.objects | load_cluster_files(secrets).objects
    keys = Keys(_keys(ClusterFiles(objects=found)), key_folder)
    made = container_policies(loaded.policies, keys, allow_wider=allow_wider)
    warned = [Loss.of(remark) for remark in loaded.policies.warnings]
    return Result({Path(name): text for name, text in made.files.items()}, [*warned, *made.losses], is_stream=False)


def made_for_nodes(made: Result, *, allow_wider: bool) -> Result:
    """The files for policies that were themselves made, from execution rules or lists of other products."""
    loaded = LoadedPolicies()
    for place, text in made.files.items():
        loaded.add(read_policies(text, f"{place} (made)"))
    found = container_policies(loaded, Keys({}, KEY_FOLDER), allow_wider=allow_wider)
    files = {Path(name): text for name, text in found.files.items()}
    return Result(files, [*made.losses, *found.losses], is_stream=False)


def _keys(files: ClusterFiles) -> dict[tuple[str, str], bytes]:
    """The item ``key`` of every Secret that has one, by namespace and name."""
    keys = {}
    for (version, kind, namespace, name), found in files.objects.items():
        if (version, kind) != ("v1", "Secret"):
            continue
        item = secret_item(found, SECRET_ITEM)
        if item is None:
            continue
        try:
            keys[namespace, name] = item.content
        except InvalidSecret as error:
            raise InvalidPolicy(f"Secret {namespace}/{name}: {error}") from error
    return keys
