"""``imagegate lint --fix``: what it takes out, that nothing else changes, and that no verdict does."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.adapters.files.config import load_config
from tests.cli.commands import Command
from tests.support.enforcement_setup import policy

RULES = """\
# which images may run
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- name: a
  matchRegistries: [a.io, b.io, a.io, "a.io"]  # ours
- name: b
  matchRegistries:
  # first
  - c.io
  # again
  - c.io
  - d.io
"""
FIXED_RULES = RULES.replace('[a.io, b.io, a.io, "a.io"]', "[a.io, b.io]").replace(
    "  # again\n  - c.io\n", "  # again\n"
)
IMPORTS = """\
kind: MasterConfig
imagePolicyConfig:
  allowedRegistriesForImport:
  - domainName: quay.io
  - domainName: *.corp.io
  # the one that counts
  - {domainName: quay.io}
"""
FIXED_IMPORTS = IMPORTS.replace("  - domainName: quay.io\n", "", 1).replace("*.corp.io", '"*.corp.io"')
SHADOWED = policy("{name: a.io/x}", "{name: 'a.io/*', policy: {trust: {enabled: true}}}", "{name: a.io/x}")
FIXED_SHADOWED = policy("{name: a.io/x}", "{name: 'a.io/*', policy: {trust: {enabled: true}}}")


@pytest.mark.parametrize(
    "before, after, count",
    [(RULES, FIXED_RULES, 3), (IMPORTS, FIXED_IMPORTS, 2), (SHADOWED, FIXED_SHADOWED, 1)],
    ids=["rules", "imports", "policies"],
)
def test_a_file_is_fixed(imagegate: Command, tmp_path: Path, before: str, after: str, count: int) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(before)
    shown = imagegate("lint", "--fix", file)
    assert shown.code == 1
    assert file.read_text() == before
    removed = [line[1:] for line in shown.out.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert removed
    assert set(removed) <= set(before.splitlines())
    assert shown.err.endswith(f"{count} {'fix' if count == 1 else 'fixes'} in 1 file; --write applies them\n")
    assert imagegate("lint", "--fix", "--write", tmp_path).code == 0
    assert file.read_text() == after
    again = imagegate("lint", "--fix", file)
    assert (again.code, again.out, again.err) == (0, "", "0 fixes in 0 files\n")


def test_what_is_said_of_a_fixed_file_is_gone(imagegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(RULES)
    assert "registry-duplicate" in imagegate("lint", file).out
    imagegate("lint", "--fix", "--write", file)
    assert "registry-duplicate" not in imagegate("lint", file).out
    policies = load_config(file).image_policy
    assert policies is not None
    assert [rule.match_registries for rule in policies.execution_rules] == [("a.io", "b.io"), ("c.io", "d.io")]


@pytest.mark.parametrize(
    "text",
    [
        "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{nme: a}]\n",  # does not load
        policy("{name: a.io/x}") + policy("{name: a.io/x}", name="q"),  # the only entry of its object
        "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- {name: a, matchRegistries: [&x a.io, *x]}\n",
        "kind: ConfigMap\napiVersion: v1\n",
        "a: [",
    ],
)
def test_what_is_left_alone(imagegate: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    ran = imagegate("lint", "--fix", "--write", tmp_path)
    assert (ran.code, ran.err) == (0, "0 fixes in 0 files\n")
    assert (tmp_path / "p.yaml").read_text() == text


def test_nothing_is_written_through_links_or_printed_as_a_command(imagegate: Command, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/p.yaml").write_text(RULES)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/p.yaml").symlink_to(tmp_path / "real/p.yaml")
    ran = imagegate("lint", "--fix", "--write", tmp_path / "folder")
    assert ran.code == 2
    assert "is a link" in ran.err
    assert (tmp_path / "real/p.yaml").read_text() == RULES
    (tmp_path / "real/p.yaml").write_text(RULES.replace("# ours", "# ##vso[x]"))
    ran = imagegate("lint", "--fix", tmp_path / "real")
    assert (ran.code, ran.out) == (2, "")


def test_usage(imagegate: Command, tmp_path: Path) -> None:
    for arguments in (("--write", tmp_path), ("--fix",), ("--fix", "--stdin")):
        assert imagegate("lint", *arguments).code == 2
