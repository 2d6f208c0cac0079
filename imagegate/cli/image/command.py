"""``imagegate image``: image streams from the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

import click

from imagegate.cli.image.clients import ImageClient, LocalClient, RemoteClient
from imagegate.cli.image.output import ImportProgress, print_import, print_objects, print_refusal
from imagegate.cli.options import FILE
from imagegate.cli.output import say
from imagegate.core.image_api.resources import IMAGES, STREAM_TAGS, STREAMS, ApiResource
from imagegate.core.image_streams.stream import split_stream_tag
from imagegate.core.kube.status import StatusError
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference, is_digest
from imagegate.errors import InvalidInput, InvalidReference, InvalidSettings
from imagegate.wiring.choices import StartupOptions

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_EXAMPLES = """\b
Examples:
  imagegate image import openshift/image-policy-check:latest
  imagegate image list --server http://127.0.0.1:8080
  imagegate image annotate image-policy-check:latest images.openshift.io/deny-execution=true
"""
_DOCKER, _STREAM_TAG, _STREAM_IMAGE = "DockerImage", "ImageStreamTag", "ImageStreamImage"
_SOURCES = {"docker": _DOCKER, "istag": _STREAM_TAG, "isimage": _STREAM_IMAGE}
OUTPUTS = ("table", "json", "yaml")


@click.group(epilog=_EXAMPLES)
def image() -> None:
    """Manage image streams, tags and images.

    They are those of a running service (--server), or of the store on this machine.
    """


def client_options(command: F) -> F:
    """``--server``, ``--token``, ``--namespace``, and the options that name a local store."""
    options = (
        click.option("--server", help="URL of a running service. [the store on this machine]"),
        click.option("--token", envvar="IMAGEGATE_TOKEN", default="", help="Bearer token for --server."),
        click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of the stream."),
        click.option("--settings", type=FILE, help="Settings file (imagegate.yaml) that names the store."),
        click.option("--config", type=FILE, help="master-config.yaml, for the import list."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def output_option(command: F) -> F:
    """``-o``."""
    return click.option("-o", "--output", type=click.Choice(OUTPUTS), default="table", help="Output format.")(command)


class Options(TypedDict):
    """The values of ``client_options``."""

    server: str | None
    token: str
    namespace: str
    settings: Path | None
    config: Path | None


def client_of(options: Options) -> ImageClient:
    """The client for a service or for the local store.

    Raises:
        ImagegateError: the settings are wrong or the store cannot be used.
    """
    if options["server"]:
        return RemoteClient(options["server"], token=options["token"])
    from imagegate.wiring.runtime import build

    named = StartupOptions(settings_file=options["settings"], config=options["config"], samples=True)
    service = build(named, keeps_images=True)
    if service.images is None:
        raise InvalidSettings("no store on this machine: set store.path, or use --server")
    return LocalClient(service.images.api)


@image.command("import", epilog="\b\nExample:\n  imagegate image import openshift/image-policy-check:latest --to check")
@click.argument("source", metavar="IMAGE")
@click.option("--to", "target", help="Target STREAM or STREAM:TAG. [named like the image]")
@click.option("--all", "all_tags", is_flag=True, help="Import all tags of the repository IMAGE.")
@click.option("--insecure", is_flag=True, help="Allow plain HTTP and skip certificate verification.")
@click.option("--scheduled", is_flag=True, help="Import again periodically.")
@click.option(
    "--reference-policy",
    type=click.Choice(["source", "local"]),
    help="Registry that pods pull from. [source; an existing tag keeps its policy]",
)
@click.option(
    "--import-mode",
    type=click.Choice(["Legacy", "PreserveOriginal"]),
    default="Legacy",
    show_default=True,
    help="Treatment of manifest lists.",
)
@click.option("--dry-run", is_flag=True, help="Look up the image, write nothing.")
@client_options
def import_image(
    source: str,
    target: str | None,
    all_tags: bool,
    insecure: bool,
    scheduled: bool,
    reference_policy: str | None,
    import_mode: str,
    dry_run: bool,
    **options: Any,
) -> int:
    """Look up IMAGE in its registry, and tag its digest.

    The tag is made in an image stream. Exit code: 0 imported, 1 refused or not found, 2 usage or configuration.
    """
    stream, tag = _target(source, target)
    entry: dict[str, Any] = {
        "from": {"kind": _DOCKER, "name": source},
        "importPolicy": {"insecure": insecure, "scheduled": scheduled, "importMode": import_mode},
        "referencePolicy": {"type": (reference_policy or "source").capitalize()},
    }
    if not all_tags:
        entry["to"] = {"name": tag}
    wanted = {"repository": entry} if all_tags else {"images": [entry]}
    body = {"metadata": {"name": stream}, "spec": {"import": not dry_run, **wanted}}
    client = client_of(_options(options))
    with ImportProgress() as progress:
        answer = _asked(lambda: client.run_import(options["namespace"], body, progress))
    if answer is None:
        return _warned(client, 1)
    code = print_import(answer, stream)
    if reference_policy is not None and not _set_policies(client, options["namespace"], answer, entry):
        code = 1
    return _warned(client, code)


def _set_policies(client: ImageClient, namespace: str, answer: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Give the imported tags the reference policy of ``entry``: the API keeps that of a tag that exists.

    Returns:
        False if one could not be changed.
    """
    policy, status = entry["referencePolicy"], answer.get("status") or {}
    repository = status.get("repository") or {}
    names = {each.get("tag") for each in repository.get("images") or () if each.get("image")}
    names |= {entry["to"]["name"] for each in status.get("images") or () if each.get("image")}
    stream = status.get("import") or {}
    for tag in (stream.get("spec") or {}).get("tags") or ():
        if tag["name"] not in names or tag.get("referencePolicy") == policy:
            continue
        place = f"{stream['metadata']['name']}:{tag['name']}"
        change = partial(client.patch, STREAM_TAGS, namespace, place, {"tag": {"referencePolicy": policy}})
        if _asked(change) is None:
            return False
    return True


def _target(source: str, target: str | None) -> tuple[str, str]:
    """Stream and tag of an import.

    Raises:
        InvalidInput: no name is given and none can be derived.
    """
    try:
        reference = ImageReference.parse(source)
    except InvalidReference as error:
        raise InvalidInput(f"{source}: {error}") from error
    stream, _, tag = (target or "").partition(":")
    name = stream or reference.name.rpartition("/")[2]
    if not name:
        raise InvalidInput(f"{source}: has no image name; name a stream with --to")
    return name, tag or reference.tag or DEFAULT_TAG


@image.command(epilog="\b\nExample:\n  imagegate image tag quay.io/org/app:v1 app:v1")
@click.argument("source")
@click.argument("targets", nargs=-1, metavar="STREAM:TAG...")
@click.option("--source", "kind", type=click.Choice(list(_SOURCES)), help="Kind of SOURCE. [guessed from its form]")
@click.option("--insecure", is_flag=True, help="Allow plain HTTP and skip certificate verification.")
@click.option("--scheduled", is_flag=True, help="Import again periodically.")
@click.option("--reference", is_flag=True, help="Store the reference without importing it.")
@click.option("--alias", is_flag=True, help="Follow the tag of the source stream.")
@click.option("-d", "--delete", is_flag=True, help="Remove the tags SOURCE and STREAM:TAG.")
@client_options
def tag(
    source: str,
    targets: tuple[str, ...],
    kind: str | None,
    insecure: bool,
    scheduled: bool,
    reference: bool,
    alias: bool,
    delete: bool,
    **options: Any,
) -> int:
    """Tag SOURCE into image streams.

    SOURCE is an image, a STREAM:TAG or a STREAM@DIGEST. Exit code: 0 tagged, 1 refused or not found, 2 usage or
    configuration.
    """
    client, namespace = client_of(_options(options)), options["namespace"]
    if delete:
        return _warned(client, max(_remove(client, namespace, name) for name in (source, *targets)))
    if not targets:
        raise click.UsageError("name at least one STREAM:TAG")
    source_kind = _SOURCES[kind] if kind else _kind_of(source)
    origin = _origin(client, namespace, source, source_kind, alias=alias)
    if origin is None:
        return 1
    code = 0
    for target in targets:
        _, name = split_stream_tag(target)
        body = {
            "metadata": {"name": target},
            "tag": {
                "name": name,
                "from": origin,
                "reference": reference,
                "generation": 0,
                "importPolicy": {"insecure": insecure, "scheduled": scheduled},
            },
        }
        if _asked(partial(client.put, STREAM_TAGS, namespace, target, body)) is None:
            code = 1
        else:
            say(f"Tag {target} set to {origin['name']}.")
    return _warned(client, code)


def _kind_of(source: str) -> str:
    """The kind of a source, guessed from its form as ``oc tag`` does."""
    try:
        reference = ImageReference.parse(source)
    except InvalidReference as error:
        raise InvalidInput(f"{source}: {error}") from error
    if reference.registry:
        return _DOCKER
    if reference.id:
        return _STREAM_IMAGE
    return _STREAM_TAG if reference.tag else _DOCKER


def _origin(client: ImageClient, namespace: str, source: str, kind: str, *, alias: bool) -> dict[str, str] | None:
    """The ``from`` of the new tag: another tag's current image, or with ``alias`` the tag itself."""
    if kind == _DOCKER:
        return {"kind": kind, "name": source}
    own, _, name = source.rpartition("/")
    where = {"namespace": own} if own else {}
    if kind == _STREAM_IMAGE or alias:
        return {"kind": kind, "name": name, **where}
    found = _asked(lambda: client.get(STREAM_TAGS, own or namespace, name))
    if found is None:
        return None
    stream, _ = split_stream_tag(name)
    return {"kind": _STREAM_IMAGE, "name": f"{stream}@{found['image']['metadata']['name']}", **where}


def _remove(client: ImageClient, namespace: str, name: str) -> int:
    if _asked(lambda: client.delete(STREAM_TAGS, namespace, name)) is None:
        return 1
    say(f"Deleted tag {namespace}/{name}.")
    return 0


@image.command(epilog="\b\nExample:\n  imagegate image annotate app:v1 images.openshift.io/deny-execution=true")
@click.argument("name", metavar="DIGEST|STREAM:TAG")
@click.argument("annotations", nargs=-1, required=True, metavar="KEY=VALUE|KEY-...")
@click.option("--overwrite", is_flag=True, help="Replace existing values.")
@client_options
def annotate(name: str, annotations: tuple[str, ...], overwrite: bool, **options: Any) -> int:
    """Set annotations on an Image; KEY- removes one.

    They apply wherever the image is used. Exit code: 0 set, 1 refused or not found, 2 usage or configuration.
    """
    client = client_of(_options(options))
    wanted = dict(map(_annotation, annotations))
    digest = name
    if not is_digest(name):
        found = _asked(lambda: client.get(STREAM_TAGS, options["namespace"], name))
        if found is None:
            return 1
        digest = found["image"]["metadata"]["name"]
    stored = _asked(lambda: client.get(IMAGES, "", digest))
    if stored is None:
        return 1
    present = stored["metadata"].get("annotations") or {}
    for key, value in wanted.items():
        if not overwrite and value is not None and present.get(key, value) != value:
            raise click.UsageError(f"{key} is already {present[key]!r}: use --overwrite")
    patch = {"metadata": {"annotations": wanted}}
    if _asked(lambda: client.patch(IMAGES, "", digest, patch)) is None:
        return 1
    say(f"image.image.openshift.io/{digest} annotated")
    return _warned(client, 0)


def _annotation(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if equals and key:
        return key, value
    if text.endswith("-") and len(text) > 1:
        return text[:-1], None
    raise click.UsageError(f"expected KEY=VALUE or KEY-, got {text!r}")


@image.command("list", epilog="\b\nExample:\n  imagegate image list --tags -A")
@click.option("-A", "--all-namespaces", is_flag=True, help="List the objects of all namespaces.")
@click.option("--tags", "what", flag_value="tags", help="List every tag with its image.")
@click.option("--images", "what", flag_value="images", help="List images by digest.")
@output_option
@client_options
def list_images(all_namespaces: bool, what: str | None, output: str, **options: Any) -> int:
    """List image streams, their tags, or all images.

    Exit code: 0 listed, 1 refused, 2 usage or configuration.
    """
    resource: ApiResource = {"tags": STREAM_TAGS, "images": IMAGES}.get(what or "", STREAMS)
    client = client_of(_options(options))
    namespace = "" if all_namespaces or not resource.namespaced else options["namespace"]
    found = _asked(lambda: client.list_objects(resource, namespace))
    if found is None:
        return 1
    print_objects(resource.kind, found, output, datetime.now(UTC), with_namespace=all_namespaces)
    return 0


@image.command(epilog="\b\nExample:\n  imagegate image show app:v1 -o yaml")
@click.argument("name", metavar="STREAM|STREAM:TAG|DIGEST")
@output_option
@client_options
def show(name: str, output: str, **options: Any) -> int:
    """Show one stream, tag or image.

    Exit code: 0 shown, 1 refused or not found, 2 usage or configuration.
    """
    client, namespace = client_of(_options(options)), options["namespace"]
    resource = IMAGES if is_digest(name) else STREAM_TAGS if ":" in name else STREAMS
    found = _asked(lambda: client.get(resource, namespace if resource.namespaced else "", name))
    if found is None:
        return 1
    print_objects(resource.kind, [found], output, datetime.now(UTC), is_list=False)
    return 0


def _asked(ask: Callable[[], T]) -> T | None:
    """The result; None after printing a refusal."""
    try:
        return ask()
    except StatusError as error:
        print_refusal(error.status)
        return None


def _warned(client: ImageClient, code: int) -> int:
    for warning in client.warnings:
        say(f"Warning: {warning}", err=True)
    return code


def _options(given: dict[str, Any]) -> Options:
    return cast(Options, given)  # click makes exactly these
