"""``imagegate install``: the manifests of this version in a cluster, and their removal."""

from __future__ import annotations

import click

_EXAMPLES = """\b
Examples:
  imagegate install --image registry.example.com/imagegate:0.7.0            what would be done
  imagegate install --image registry.example.com/imagegate:0.7.0 --apply
  imagegate install --remove
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--dry-run", "mode", flag_value="dry-run", default="dry-run", help="Let the API server check everything. [default]"
)
@click.option("--apply", "mode", flag_value="apply", help="Install, or bring an installation up to date.")
@click.option("--remove", "mode", flag_value="remove", help="Remove imagegate; policies stay.")
@click.option(
    "--everything", is_flag=True, help="With --remove: also the namespace, and all policies with their kinds."
)
@click.option(
    "--for",
    "overlay",
    type=click.Choice(["kubernetes", "openshift", "cert-manager", "image-api"]),
    default="kubernetes",
    show_default=True,
    help="Kind of cluster.",
)
@click.option("-n", "--namespace", default="imagegate", show_default=True, help="Namespace of imagegate.")
@click.option("--image", default="", metavar="IMAGE", help="Image of the replicas.  [imagegate:VERSION]")
@click.option("--kubeconfig", default="", envvar="KUBECONFIG", help="[KUBECONFIG, else ~/.kube/config]")
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option("--wait", default=180, show_default=True, help="Seconds to wait for the replicas; 0: not at all.")
def install(
    mode: str,
    everything: bool,
    overlay: str,
    namespace: str,
    image: str,
    kubeconfig: str,
    context: str,
    wait: int,
) -> int:
    """Install imagegate in a cluster, by server-side apply.

    Webhooks are applied when the replicas are ready, and removed first. Without --apply or --remove nothing is
    changed: the API server checks every object, and each line says what would be done.

    Exit code: 0 done, 2 usage, a cluster that cannot be reached, an object that it refuses, or replicas that are not
    ready in time.
    """
    from imagegate.cli.output import say
    from imagegate.wiring.installation import installation, manifests

    if everything and mode != "remove":
        raise click.UsageError("--everything belongs to --remove")
    steps = manifests(overlay, namespace=namespace, image=image)
    found = installation(kubeconfig, context, say, dry_run=mode == "dry-run")
    if mode == "remove":
        found.remove(steps, everything=everything)
    else:
        found.apply(steps, wait_s=wait)
    if mode == "dry-run":
        say("nothing was changed; --apply does it", err=True)
    return 0
