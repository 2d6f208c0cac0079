"""docs/configuration.md: its examples load without a doubt, and it names every field that is read."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from imagegate.core.image_policy.config import RESOLUTION_TYPES, ExecutionRule
from imagegate.core.profile import Profile
from imagegate.documents.lint.lint import lint
from imagegate.documents.master_config import read_config
from imagegate.settings.schema import camel
from tests.documents.test_master_config import Files

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
BLOCK_FIELDS = (
    "maxImagesBulkImportedPerRepository",
    "disableScheduledImport",
    "scheduledImageImportMinimumIntervalSeconds",
    "maxScheduledImageImportsPerMinute",
    "allowedRegistriesForImport",
    "internalRegistryHostname",
    "externalRegistryHostname",
    "externalRegistryHostnames",
    "additionalTrustedCA",
    "imageStreamImportMode",
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_load_and_lint_finds_nothing(example: str) -> None:
    config = read_config(example, "example.yaml", Profile.DOCUMENTED, Files())
    assert lint(config, Profile.DOCUMENTED) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(
    "name",
    [camel(one.name) for one in dataclasses.fields(ExecutionRule) if one.name != "written_empty"]
    + list(RESOLUTION_TYPES)
    + list(BLOCK_FIELDS),
)
def test_every_field_is_described(name: str) -> None:
    assert re.search(rf"^\|.*`{name}`", TEXT, re.MULTILINE), name


@pytest.mark.parametrize("name", BLOCK_FIELDS)
def test_the_fields_of_the_block_are_those_that_are_read(name: str) -> None:
    value = {"disableScheduledImport": "true", "externalRegistryHostnames": "[a.io]"}.get(name, "~")
    config = read_config(f"imagePolicyConfig:\n  {name}: {value}\n", "m.yaml", Profile.DOCUMENTED, Files())
    assert config.warnings == ()
