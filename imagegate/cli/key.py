"""``imagegate key create``: a key pair, its Secret and a policy, in one command."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from imagegate.adapters.files.output import write_new_file
from imagegate.cli.output import say, yaml_text
from imagegate.core.enforcement.signing_documents import (
    KEY_PROTECT_NAME,
    key_protect_command,
    key_protect_request,
    policy_name,
    public_key_secret,
    signed_by_policy,
)
from imagegate.core.kube.printable import printable

if TYPE_CHECKING:
    from imagegate.adapters.signing.gnupg import KeyPair

ALGORITHMS = ("rsa3072", "rsa4096", "ed25519")
PRIVATE, PUBLIC, MANIFESTS, VAULT = "private.asc", "pubkey", "yaml", "key-protect.json"
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}"
_OBJECT_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAMESPACE = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_REGION = r"[a-z0-9-]+(\.[a-z0-9-]+)*"
"""The region becomes part of the host that receives a token."""

_EXAMPLE = """\b
Example:
  imagegate key create 'icr.io/mynamespace/*' -n image-security --out keys/
  kubectl apply -f keys/image-signing.yaml
"""


class _Given(TypedDict):
    """The options of ``create``."""

    namespace: str
    image_policy: bool
    file_name: str
    out: Path
    secret: str
    policy: str
    store_url: str
    user_name: str
    email: str
    algorithm: str
    lifetime: str
    mutate: bool
    vault: bool
    vault_region: str
    vault_instance: str
    vault_name: str
    vault_alias: str
    print_private_key: bool


@click.group()
def key() -> None:
    """Create keys that sign images."""


@dataclass(frozen=True, slots=True)
class _Files:
    """Paths of the results: ``DIRECTORY/NAME.EXTENSION``."""

    directory: Path
    name: str

    def path(self, extension: str) -> Path:
        """One of the files."""
        return self.directory / f"{self.name}.{extension}"

    def write(self, extension: str, text: str, *, mode: int) -> Path:
        """Write a new file with this mode from its first moment on."""
        path = self.path(extension)
        write_new_file(path, text, mode=mode)
        return path


@key.command(epilog=_EXAMPLE)
@click.argument("repository")
@click.option("-n", "--namespace", default="", help="Namespace of the Secret. [each workload's own]")
@click.option("--image-policy", is_flag=True, help="Write an ImagePolicy instead of a ClusterImagePolicy.")
@click.option("--name", "file_name", default="image-signing", show_default=True, help="Name of the files.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Folder for the files. [the working folder]",
)
@click.option("--secret", default="image-signing-public-key", show_default=True, help="Name of the Secret.")
@click.option("--policy", default="", help="Name of the policy. [made from the repository]")
@click.option("--store-url", default="", help="Lookaside store, if the registry does not store signatures.")
@click.option("--user-name", default="Image signing", show_default=True, help="Name in the key's user ID.")
@click.option("--email", default="image-signing@example.com", show_default=True, help="Address in the key's user ID.")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default="rsa3072", show_default=True, help="Kind of key.")
@click.option("--lifetime", default="0", help="Lifetime in days, or 8w, 6m, 2y; 0: unlimited. [0]")
@click.option("--mutate/--no-mutate", default=False, help="Rewrite images to the signed digest. [no: safe for GitOps]")
@click.option("--vault", is_flag=True, help="Also write a Key Protect request; print its curl command.")
@click.option("--vault-region", default="<region>", help="Region in the printed curl command.")
@click.option("--vault-instance", default="<instance_ID>", help="Instance in the printed curl command.")
@click.option("--vault-name", default=KEY_PROTECT_NAME, show_default=True, help="Name of the key in the vault.")
@click.option("--vault-alias", default="", help="Alias of the key in the vault.")
@click.option("--print-private-key", is_flag=True, help="Print the private key instead of writing it to a file.")
def create(repository: str, **given: Unpack[_Given]) -> int:
    """Create a key pair, and the Secret and policy that require it.

    The Secret has the public key; the policy requires images of REPOSITORY to be signed by the private one. REPOSITORY
    is a pattern as in policies (icr.io/mynamespace/*). No terminal is needed. The private key is written to a file
    that only you can read. It has no passphrase: move it into a vault.

    Exit code: 0 created, 2 usage, or a file that is there already or cannot be written.
    """
    _check_usage(repository, given)
    files = _Files(given["out"], given["file_name"])
    _check_free(files, given)
    from imagegate.adapters.signing.gnupg import create_key_pair

    pair = create_key_pair(given["user_name"], given["email"], algorithm=given["algorithm"], lifetime=given["lifetime"])
    try:
        _write(files, repository, pair, given)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    _report(files, pair.fingerprint, given)
    if given["print_private_key"]:
        click.echo(pair.private, nl=False)
    if given["vault"]:
        region, instance = given["vault_region"], given["vault_instance"]
        click.echo(key_protect_command(str(files.path(VAULT)), region=region, instance=instance))
    return 0


def _check_usage(repository: str, given: _Given) -> None:
    if not repository or any(character.isspace() for character in repository) or printable(repository) != repository:
        raise click.UsageError(f"{repository!r} is not a repository pattern")
    _check_names(given)
    if given["store_url"] and not given["store_url"].startswith(("https://", "http://")):
        raise click.UsageError(f"--store-url: expecting https:// or http:// URL, got: {given['store_url']}")
    if given["image_policy"] and not given["namespace"]:
        raise click.UsageError("--image-policy needs --namespace")
    if given["print_private_key"] and given["vault"]:
        raise click.UsageError("--vault writes the private key to a file, and --print-private-key must not")


def _check_names(given: _Given) -> None:
    """Refuse names that are unsafe as file names, in manifests or in the printed curl command."""
    for shown, value, default, pattern, what in (
        ("--name", given["file_name"], None, _FILE_NAME, "a file name of letters, digits and ._-, without a folder"),
        ("--secret", given["secret"], None, _OBJECT_NAME, "a Kubernetes name"),
        ("--policy", given["policy"], "", _OBJECT_NAME, "a Kubernetes name"),
        ("--namespace", given["namespace"], "", _NAMESPACE, "a namespace"),
        ("--vault-region", given["vault_region"], "<region>", _REGION, "a region, like us-south"),
    ):
        if value != default and not re.fullmatch(pattern, value):
            raise click.UsageError(f"{shown}: expected {what}, got {value!r}")
    for shown, text in (
        ("--out", str(given["out"])),
        ("--store-url", given["store_url"]),
        ("--vault-instance", given["vault_instance"]),
    ):
        if printable(text) != text:
            raise click.UsageError(f"{shown}: {text!r} contains characters that cannot be printed")


def _check_free(files: _Files, given: _Given) -> None:
    """Refuse to overwrite a key, before a new one is made."""
    wanted = {PUBLIC: True, MANIFESTS: True, PRIVATE: not given["print_private_key"], VAULT: given["vault"]}
    for extension in (extension for extension, used in wanted.items() if used):
        if os.path.lexists(files.path(extension)):
            raise click.UsageError(f"{files.path(extension)} exists already; choose another name with --name")


def _write(files: _Files, repository: str, pair: KeyPair, given: _Given) -> None:
    if not given["print_private_key"]:
        files.write(PRIVATE, pair.private, mode=0o600)
    if given["vault"]:
        body = key_protect_request(pair.private_binary, name=given["vault_name"], alias=given["vault_alias"])
        files.write(VAULT, json.dumps(body, indent=2) + "\n", mode=0o600)
    files.write(PUBLIC, pair.public, mode=0o644)
    files.write(MANIFESTS, _manifests(repository, pair.public, given), mode=0o644)


def _manifests(repository: str, public: str, given: _Given) -> str:
    cluster_wide = not given["image_policy"]
    policy = signed_by_policy(
        given["policy"] or policy_name(repository, cluster_wide=cluster_wide),
        repository,
        key_secret=given["secret"],
        namespace=given["namespace"],
        cluster_wide=cluster_wide,
        mutate_image=given["mutate"],
        store_url=given["store_url"],
    )
    secret = public_key_secret(given["secret"], given["namespace"], public)
    return yaml_text(secret, policy, explicit_start=True)


def _report(files: _Files, fingerprint: str, given: _Given) -> None:
    """Print the results and the next steps on stderr: stdout is for requested output."""
    private = files.path(PRIVATE)
    lines = [f"key          {fingerprint}"]
    if not given["print_private_key"]:
        lines.append(f"private key  {private} (keep it secret)")
    lines += [
        f"public key   {files.path(PUBLIC)}",
        f"manifests    {files.path(MANIFESTS)}",
        "",
        "Next:",
        f"  kubectl apply -f {quote(str(files.path(MANIFESTS)))}",
        f"  gpg --import {'PRIVATE_KEY' if given['print_private_key'] else quote(str(private))}",
        f"  skopeo copy --sign-by {fingerprint} docker://SOURCE docker://TARGET",
    ]
    for line in lines:
        say(line, err=True)
