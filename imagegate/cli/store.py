"""``imagegate store migrate``: from one store of the image API to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagegate.cli.options import FILE
from imagegate.cli.output import quoted_word, say, say_error

if TYPE_CHECKING:
    from imagegate.service.image_api.migration import Plan

DIFFERENT_SHOWN = 10
_EXAMPLES = """\b
Examples:
  imagegate store migrate --from images.db --to kubernetes --dry-run
  imagegate store migrate --from images.db --to kubernetes
  imagegate store migrate --from kubernetes --to backup.db
"""


@click.group(epilog=_EXAMPLES)
def store() -> None:
    """Move the objects of the image API between stores."""


@store.command(epilog=_EXAMPLES)
@click.option("--from", "source", required=True, metavar="STORE", help="kubernetes, embedded, or a file.")
@click.option("--to", "target", required=True, metavar="STORE", help="kubernetes, embedded, or a file.")
@click.option("--dry-run", is_flag=True, help="Compare the stores and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite objects that are different in the target.")
@click.option("--settings", type=FILE, help="Settings file (imagegate.yaml) with the store and the cluster.")
@click.option("--kubeconfig", default="", envvar="KUBECONFIG", help="[KUBECONFIG, else ~/.kube/config]")
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option("-n", "--namespace", default="", help="Namespace of imagegate in the cluster.  [imagegate]")
def migrate(
    source: str,
    target: str,
    dry_run: bool,
    force: bool,
    settings: Path | None,
    kubeconfig: str,
    context: str,
    namespace: str,
) -> int:
    """Copy every object that the target lacks, then compare all.

    Stop imagegate first: what it writes meanwhile is not copied, and the comparison fails. Nothing is deleted. A copy
    that was interrupted is completed by running it again. Objects that are different in the target are newer perhaps:
    they are listed and nothing is written, unless --force overwrites them. embedded is the file of the settings.

    Exit code: 0 all objects are in the target and equal, or --dry-run, 1 objects are different in the target, 2 usage,
    configuration, or a store that cannot be used.
    """
    from imagegate.wiring.migration import Place, migration  # what takes time to import is imported when used

    one, other = (Place(name, settings, kubeconfig, context, namespace) for name in (source, target))
    with migration(one, other, dry_run=dry_run) as found:
        plan = found.plan()
        _print(plan)
        if dry_run:
            say("nothing was changed; without --dry-run it is", err=True)
            return 0
        if plan.differs and not force:
            say_error("objects are different in the target, and nothing was changed; --force overwrites them")
            return 1
        found.run(plan)
    say("all objects are in the target, and equal")
    return 0


def _print(plan: Plan) -> None:
    for each in plan.kinds:
        say(_counts(each.name, len(each.missing), each.same, len(each.different), each.others))
        for namespace, name in each.different[:DIFFERENT_SHOWN]:
            say(f"  different: {f'{quoted_word(namespace)}/' if namespace else ''}{quoted_word(name)}")
        if len(each.different) > DIFFERENT_SHOWN:
            say(f"  and {len(each.different) - DIFFERENT_SHOWN} more")
    if plan.trust_missing or plan.trust_different or plan.trust_same:
        counts = (len(plan.trust_missing), plan.trust_same, len(plan.trust_different), 0)
        say(_counts("trust data of repositories", *counts))


def _counts(name: str, missing: int, same: int, different: int, others: int) -> str:
    words = [f"{missing} to copy", f"{same} equal", f"{different} different"]
    if others:
        words.append(f"{others} only in the target")
    return f"{name}: {', '.join(words)}"
