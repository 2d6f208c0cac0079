"""Configurations and policies as objects of OpenShift 4, and inventories as configurations of OpenShift 3.11."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagegate.adapters.files.cluster import load_cluster_files, read_text
from imagegate.adapters.files.config import ReferencedDiskFiles, load_config
from imagegate.cli.convert.nodes import NO_POLICY
from imagegate.cli.convert.result import Result
from imagegate.core.profile import Profile
from imagegate.documents.convert.container_policy import container_policies
from imagegate.documents.convert.container_requirements import Keys
from imagegate.documents.convert.image_config import image_config
from imagegate.documents.convert.inventory import as_yaml, read_inventory
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.convert.sigstore_policies import KEY_FOLDER, sigstore_policies
from imagegate.documents.master_config import read_config
from imagegate.errors import InvalidInput, InvalidPolicy
from imagegate.ports.documents import Documents

MASTER_CONFIG = Path("master-config.yaml")
IMAGE_CONFIG = Path("image-config.yaml")
POLICIES = Path("image-policies.yaml")


def convert_to_image_config(files: Sequence[Path], *, allow_wider: bool) -> Result:
    """``image.config.openshift.io/cluster`` for one configuration.

    Raises:
        InvalidInput: there are several.
        InvalidPolicy: it does not load.
    """
    if len(files) != 1:
        raise InvalidInput(f"{', '.join(map(str, files))}: a cluster has one image configuration: name one file")
    config = load_config(files[0])
    made = image_config(config, read_text(files[0]), allow_wider=allow_wider)
    head = f"# Made by imagegate convert from {files[0].name}.\n"
    return Result({IMAGE_CONFIG: head + made.text}, [*map(Loss.of, config.warnings), *made.losses])


def convert_to_sigstore(
    paths: Sequence[Path], documents: Documents, keys: Sequence[str], *, allow_wider: bool
) -> Result:
    """ClusterImagePolicy and ImagePolicy objects of OpenShift 4.

    Args:
        paths: files and folders.
        documents: where they are.
        keys: ``NAMESPACE/SECRET=FILE``.

    Raises:
        InvalidInput: an option is not of that form.
        InvalidPolicy: a file does not load, or there is no policy.
    """
    loaded = load_cluster_files(paths, documents=documents).policies
    if not loaded.policies:
        raise InvalidPolicy(f"{', '.join(map(str, paths))}: {NO_POLICY}")
    nodes = container_policies(loaded, Keys({}, KEY_FOLDER), allow_wider=allow_wider)
    made = sigstore_policies(nodes.files, dict(map(_key, keys)))
    losses = [each for each in nodes.losses if "--secrets" not in each.text]
    unenforced = [
        each._replace(effect=Effect.UNENFORCED) if each.effect is Effect.NARROWER else each for each in losses
    ]
    return Result({POLICIES: "---\n".join(made.documents)}, [*unenforced, *made.losses])


def _key(option: str) -> tuple[tuple[str, str], bytes]:
    secret, equals, file = option.partition("=")
    namespace, slash, name = secret.partition("/")
    if not (equals and slash and namespace and name and file):
        raise InvalidInput(f"--sigstore-key {option}: expected NAMESPACE/SECRET=FILE")
    text = read_text(Path(file)).strip() + "\n"
    if not (text.startswith("-----BEGIN PUBLIC KEY-----") and text.endswith("-----END PUBLIC KEY-----\n")):
        raise InvalidInput(f"{file}: no public key in PEM, as cosign writes it")
    return (namespace, name), text.encode()


def convert_inventory(files: Sequence[Path]) -> Result:
    """The blocks of ``master-config.yaml`` for one inventory.

    Raises:
        InvalidInput: there are several.
        InvalidPolicy: a variable cannot be read, or the blocks do not load.
    """
    if len(files) != 1:
        raise InvalidInput(f"{', '.join(map(str, files))}: convert inventories one by one")
    (file,) = files
    inventory = read_inventory(read_text(file), str(file))
    text = f"# Made by imagegate convert from {file.name}.\n{as_yaml(inventory)}"
    config = read_config(text, f"{file} as {MASTER_CONFIG}", Profile.DOCUMENTED, ReferencedDiskFiles(file.parent))
    return Result({MASTER_CONFIG: text}, [*inventory.losses, *map(Loss.of, config.warnings)])
