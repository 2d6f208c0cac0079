"""``imagegate lint --fix``: a diff of what can be fixed without a change of verdicts, or the fixed files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from imagegate.adapters.files.cluster import read_text
from imagegate.adapters.files.config import ReferencedDiskFiles
from imagegate.adapters.files.output import write_files
from imagegate.cli.lint.kinds import CONFIG_KINDS, POLICY_KINDS, document_kind
from imagegate.cli.output import is_safe_line, safe_line, say
from imagegate.core.enforcement.policy import Entry
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.import_gate.rules import parse_rules
from imagegate.core.profile import Profile
from imagegate.core.words import counted
from imagegate.documents.image_policies import LoadedPolicies, read_policies
from imagegate.documents.lint.findings import Finding
from imagegate.documents.lint.fixes import Fixed, fixed
from imagegate.documents.lint.image_policies import lint_cise
from imagegate.documents.lint.lint import lint
from imagegate.documents.master_config import MasterConfig, read_config
from imagegate.documents.yaml.source import read_source
from imagegate.errors import ConfigError, InvalidInput


def fix_files(files: Iterable[Path], profile: Profile, *, write: bool) -> int:
    """Print the diff of every file that can be fixed, or write the files; 1 if something is left to write.

    Files that do not load are left alone: ``lint`` says what is wrong with them.

    Raises:
        InvalidInput: a file cannot be written.
    """
    results = {file: (text, found) for file in files if (found := _fixed(file, text := read_text(file), profile))}
    for file, (text, found) in results.items():
        if not write:
            _print_diff(file, text, found.text)
        for finding in found.findings:
            say(f"{'fixed' if write else 'fixable'}: {finding}", err=True)
    if write:
        _write({file: found.text for file, (_, found) in results.items()})
    count = sum(len(found.findings) for _, found in results.values())
    done = "" if write or not count else "; --write applies them"
    say(f"{count} {'fix' if count == 1 else 'fixes'} in {counted(len(results), 'file')}{done}", err=True)
    return int(bool(count) and not write)


def _fixed(file: Path, text: str, profile: Profile) -> Fixed | None:
    """The file's text after its fixes; None if there is nothing to fix."""
    name = str(file)
    try:
        nodes = read_source(text, name, last_key_wins=True, repair_patterns=True).documents
        kinds = set(map(document_kind, nodes))
        if kinds & CONFIG_KINDS:
            findings = lint(_config(text, file, profile), profile)
            found = fixed(text, name, findings, lambda each: _of_config(each, file, profile))
        elif kinds & POLICY_KINDS:
            found = fixed(text, name, _lint_policies(text, name), lambda each: _of_policies(each, name))
        else:
            return None
    except ConfigError:
        return None
    return found if found.findings and found.text != text else None


def _config(text: str, file: Path, profile: Profile) -> MasterConfig:
    return read_config(text, str(file), profile, ReferencedDiskFiles(file.parent))


def _of_config(text: str, file: Path, profile: Profile) -> object:
    """The decisions of a configuration: rules without repeated registries, the rules of the import list."""
    config = _config(text, file, profile)
    policy, block = config.image_policy, config.import_policy
    rules = None if policy is None else [_without_repetition(rule) for rule in policy.execution_rules]
    listed = block.allowed_registries_for_import
    imports = None if listed is None else [rule._replace(position=0) for rule in parse_rules(listed)]
    others = replace(block, allowed_registries_for_import=None, allowed_registry_lines=())
    return rules, policy and (policy.resolve_images, policy.resolution_rules), imports, others, config.always_pull


def _without_repetition(rule: ExecutionRule) -> ExecutionRule:
    return replace(rule, match_registries=tuple(dict.fromkeys(rule.match_registries)))


def _lint_policies(text: str, name: str) -> list[Finding]:
    loaded = LoadedPolicies()
    loaded.add(read_policies(text, name))
    return lint_cise(loaded)


def _of_policies(text: str, name: str) -> object:
    """The decisions of policies: their entries without those that never do."""
    loaded = read_policies(text, name)
    shadowed = {(each.line, each.path) for each in lint_cise(loaded) if each.code == "shadowed"}
    return [
        (policy.group, policy.kind, policy.namespace, policy.name, *_of_entry(entry))
        for policy in loaded.policies
        for entry in policy.entries
        if (loaded.entries[entry.source].line, f"spec.repositories[{entry.source.position}]") not in shadowed
    ]


def _of_entry(entry: Entry) -> tuple[object, ...]:
    return entry.name, entry.mutate_image, entry.trust, entry.simple, entry.vulnerability


def _print_diff(file: Path, before: str, after: str) -> None:
    """A unified diff; files are untrusted input."""
    lines: Sequence[str] = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{file}", f"b/{file}", lineterm="")
    )
    if not all(map(is_safe_line, lines)):
        raise InvalidInput(
            f"{safe_line(str(file))}: its diff is not printed, since a terminal or CI system could take a line for a "
            "command: use --write"
        )
    click.echo("\n".join(lines))


def _write(files: dict[Path, str]) -> None:
    try:
        write_files(files)
    except OSError as error:
        raise InvalidInput(f"{error.filename}: not written: {error.strerror}") from error
