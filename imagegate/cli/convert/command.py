"""``imagegate convert``: policies rewritten in another language, with a list of what that cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.cli.check.select import Patterns
from imagegate.cli.convert.groups import GROUPS, convert_groups
from imagegate.cli.convert.nodes import KEY_FOLDER, convert_for_nodes, made_for_nodes
from imagegate.cli.convert.openshift import convert_inventory, convert_to_image_config, convert_to_sigstore
from imagegate.cli.convert.result import Result, deliver
from imagegate.cli.convert.rules import convert_config, convert_lists
from imagegate.cli.convert.sources import Language, languages, single_language
from imagegate.cli.options import FILE_OR_FOLDER, file_options
from imagegate.cli.output import say_error

POLICY_JSON, IMAGE_CONFIG, OPENSHIFT_4, MASTER_CONFIG = "policy.json", "image-config", "openshift-4", "master-config"
TARGETS = (*GROUPS, POLICY_JSON, IMAGE_CONFIG, OPENSHIFT_4, MASTER_CONFIG)
_EXAMPLE = """\b
Examples:
  imagegate convert --to portieris policies/ --output-folder converted/
  imagegate convert --to policy.json policies/ --secrets keys.yaml --output-folder containers/
  imagegate convert --to portieris master-config.yaml
  imagegate convert --to image-config master-config.yaml
  imagegate convert --to master-config /etc/ansible/hosts
  imagegate convert --to portieris kyverno/ gatekeeper/
  imagegate convert --imports-to-rules master-config.yaml > image-policy.yaml
"""


@click.command(epilog=_EXAMPLE)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="PATH...")
@click.option(
    "--to",
    "target",
    type=click.Choice(TARGETS),
    default="portieris",
    show_default=True,
    help="Language to write.",
)
@click.option(
    "--output-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files there. [standard output]",
)
@file_options
@click.option("--in-place", is_flag=True, help="Overwrite the files (between the IBM groups).")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result.")
@click.option(
    "--allow-wider",
    is_flag=True,
    help="Also write what the target can only say of more images than the original allows.",
)
@click.option(
    "--secrets",
    type=FILE_OR_FOLDER,
    multiple=True,
    help="Secrets with public keys, for policy.json; may be repeated.",
)
@click.option(
    "--key-folder",
    default=KEY_FOLDER,
    show_default=True,
    help="Folder of the nodes for keys of Secrets that are not given.",
)
@click.option(
    "--sigstore-key",
    "sigstore_keys",
    multiple=True,
    metavar="NAMESPACE/SECRET=FILE",
    help="cosign public key in place of a Secret's key, for openshift-4; may be repeated.",
)
@click.option(
    "--imports-to-rules",
    is_flag=True,
    help="Write executionRules made from allowedRegistriesForImport of the master-config.yaml at PATH.",
)
@click.option("--no-patterns", is_flag=True, help="With --imports-to-rules: write no rules with wildcards.")
def convert(
    paths: tuple[Path, ...],
    target: str,
    output_folder: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    in_place: bool,
    output: str,
    allow_wider: bool,
    secrets: tuple[Path, ...],
    key_folder: str,
    sigstore_keys: tuple[str, ...],
    imports_to_rules: bool,
    no_patterns: bool,
) -> int:
    """Rewrite image policies in another language.

    Every difference is listed on standard error with its effect: "narrower" denies images that the original allows,
    "wider" (only with --allow-wider) allows images that it denies. Nothing is written through links, and if one file
    cannot be written, none is. imagegate itself enforces both IBM groups without conversion.

    Exit code: 0 the result decides as the original, 1 it does not, 2 usage, or a file that does not load.
    """
    if imports_to_rules:
        from imagegate.cli.import_list import print_execution_rules

        if in_place or output_folder is not None:
            raise click.UsageError("--imports-to-rules writes to standard output")
        return print_execution_rules(paths, patterns=not no_patterns)
    if in_place and target not in GROUPS:
        raise click.UsageError("--in-place is for conversion between the IBM groups")
    documents = DiskDocuments(choice=Patterns.of(include, exclude), says=say_error)
    if target == POLICY_JSON:
        result = _to_nodes(paths, documents, secrets, key_folder=key_folder, allow_wider=allow_wider)
    elif target == OPENSHIFT_4:
        result = convert_to_sigstore(paths, documents, sigstore_keys, allow_wider=allow_wider)
    elif target == IMAGE_CONFIG:
        result = convert_to_image_config(paths, allow_wider=allow_wider)
    elif target == MASTER_CONFIG:
        result = convert_inventory(paths)
    else:
        result = _to_group(paths, documents, target, output_folder, in_place=in_place, allow_wider=allow_wider)
    return deliver(result, folder=output_folder, output=output, in_place=in_place)


def _to_nodes(
    paths: Sequence[Path], documents: DiskDocuments, secrets: Sequence[Path], *, key_folder: str, allow_wider: bool
) -> Result:
    if single_language(languages(paths, documents), paths) is Language.POLICIES:
        return convert_for_nodes(paths, documents, secrets, key_folder=key_folder, allow_wider=allow_wider)
    made = _to_group(paths, documents, "portieris", None, in_place=False, allow_wider=allow_wider)
    return made_for_nodes(made, allow_wider=allow_wider)


def _to_group(
    paths: Sequence[Path],
    documents: DiskDocuments,
    target: str,
    output_folder: Path | None,
    *,
    in_place: bool,
    allow_wider: bool,
) -> Result:
    found = languages(paths, documents)
    language = single_language(found, paths)
    if in_place and language is not Language.POLICIES:
        raise click.UsageError("--in-place is for conversion between the IBM groups")
    if language is Language.CONFIG:
        return convert_config(list(found), GROUPS[target], allow_wider=allow_wider)
    if language is Language.FOREIGN:
        return convert_lists(list(found), GROUPS[target], allow_wider=allow_wider)
    return convert_groups(paths, documents, target, in_place=in_place, folder=output_folder)
