"""Execution rules, and allow-lists of other products, as policies of an IBM group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagegate.adapters.files.cluster import read_text
from imagegate.adapters.files.config import load_config
from imagegate.cli.convert.result import Result
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.documents.convert.foreign import ReadLists, lists_to_policies, read_lists
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.convert.made_policy import policy_text
from imagegate.documents.convert.rules_to_entries import rules_to_entries
from imagegate.documents.master_config import MasterConfig
from imagegate.errors import InvalidInput

FILE = Path("image-policies.yaml")
NAME = "execution-rules"


def convert_config(files: Sequence[Path], group: PolicyGroup, *, allow_wider: bool) -> Result:
    """A ClusterImagePolicy that allows what the execution rules of one configuration allow to pods.

    Raises:
        InvalidInput: there are several configurations, or none with execution rules.
        InvalidPolicy: it does not load.
    """
    if len(files) != 1:
        raise InvalidInput(f"{', '.join(map(str, files))}: execution rules of several files: convert them one by one")
    (file,) = files
    config = load_config(file)
    if config.image_policy is None:
        raise InvalidInput(f"{file}: no image policy: it has no execution rules to convert")
    made = rules_to_entries(config, read_text(file), allow_wider=allow_wider)
    text = policy_text(group, NAME, made.entries, comments=(f"Made by imagegate convert from {file.name}.",))
    warned = [Loss.of(remark) for remark in config.warnings]
    return Result({FILE: text}, [*warned, *other_blocks(config), *made.losses])


def convert_lists(files: Sequence[Path], group: PolicyGroup, *, allow_wider: bool) -> Result:
    """Policies that allow what lists of Kyverno and Gatekeeper allow, all of them together.

    Raises:
        InvalidInput: there is no such list.
        InvalidPolicy: a file does not load.
    """
    lists = ReadLists()
    for file in files:
        found = read_lists(read_text(file), str(file), allow_wider=allow_wider)
        lists.restrictions += found.restrictions
        lists.losses += found.losses
    if not lists.restrictions:
        named = ", ".join(map(str, files))
        why = "".join(f"\n{loss}" for loss in lists.losses)
        raise InvalidInput(f"{named}: no list of allowed images{why}")
    text, losses = lists_to_policies(lists, group, allow_wider=allow_wider)
    return Result({FILE: f"# Made by imagegate convert.\n{text}"}, losses)


def other_blocks(config: MasterConfig) -> list[Loss]:
    """The blocks of a configuration that policies of the IBM groups cannot say."""
    found = []
    if config.import_policy.allowed_registries_for_import is not None:
        lines = config.import_policy.allowed_registry_lines
        text = "imports are not decided by policies of this kind: imagegate's import gate, or --to image-config"
        place = "imagePolicyConfig.allowedRegistriesForImport"
        found.append(Loss(config.file, lines[0] if lines else 1, place, text, Effect.UNENFORCED))
    if config.always_pull:
        text = "AlwaysPullImages is not converted: imagegate's alwaysPull, or Kubernetes' own plug-in"
        found.append(Loss(config.file, 1, "admissionConfig.pluginConfig", text, Effect.UNENFORCED))
    return found
