"""``imagegate explain --import`` and ``imagegate convert --imports-to-rules``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from imagegate.cli.main import cli
from imagegate.errors import ConfigError, InvalidReference
from tests.support.import_gate_setup import MANUAL_LISTED

CONFIG = """
imagePolicyConfig:
  internalRegistryHostname: registry.example.svc:5000
  allowedRegistriesForImport:
  - domainName: registry.access.redhat.com
  - domainName: "*.mydomain.com"
    insecure: true
  - domainName: local.registry.corp:5000
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], standalone_mode=False, catch_exceptions=False)


def test_the_two_ways_into_a_stream(config: Path) -> None:
    result = run("explain", "--config", config, "--import", "--insecure", "registry.access.redhat.com/ubi8")
    assert result.return_value == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "oc tag --insecure: allowed"
    assert "  allowedRegistriesForImport[0] registry.access.redhat.com:443: matches" in lines
    assert "oc import-image --insecure: denied" in lines
    assert lines[-1] == f'  denied: registry "registry.access.redhat.com:80" not allowed by whitelist: {MANUAL_LISTED}'


def test_what_is_admitted_both_ways_is_exit_code_0(config: Path) -> None:
    result = run("explain", "--config", config, "--import", "local.registry.corp:5000/bar")
    assert result.return_value == 0
    assert "  allowed: by allowedRegistriesForImport[2] local.registry.corp:5000" in result.stdout.splitlines()


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_as_a_document(config: Path, output: str) -> None:
    result = run("explain", "--config", config, "--import", "-o", output, "quay.io/x")
    found = yaml.safe_load(result.stdout) if output == "yaml" else json.loads(result.stdout)
    assert found["verdicts"] == {"oc tag": "denied", "oc import-image": "denied"}
    assert found["steps"][0]["what"] == "import-host"


def test_of_very_many_rules_only_those_that_matter_are_shown(config: Path) -> None:
    entries = "".join(f"  - domainName: registry{number}.example.com\n" for number in range(1000))
    config.write_text(f"imagePolicyConfig:\n  allowedRegistriesForImport:\n{entries}", encoding="utf-8")
    lines = run("explain", "--config", config, "--import", "registry7.example.com/x").stdout.splitlines()
    assert len(lines) == 2 * 5
    assert "  999 rules do not match (-o json lists them)" in lines


def test_without_a_list_or_a_reference(config: Path) -> None:
    with pytest.raises(InvalidReference):
        run("explain", "--config", config, "--import", "Bad Reference")
    policy = {"kind": "ImagePolicyConfig", "apiVersion": "v1"}
    config.write_text(yaml.safe_dump(policy), encoding="utf-8")
    with pytest.raises(ConfigError, match="no allowedRegistriesForImport"):
        run("explain", "--config", config, "--import", "quay.io/x")


def test_execution_rules_from_the_list_can_be_used(config: Path, tmp_path: Path) -> None:
    result = run("convert", "--imports-to-rules", config)
    assert result.return_value == 0
    assert "a pod cannot say that it pulls insecurely" in result.stderr
    policy = tmp_path / "policy.yaml"
    policy.write_text(result.stdout, encoding="utf-8")
    for image, code in (("registry.access.redhat.com/x", 0), ("a.mydomain.com/x", 0), ("quay.io/x", 1), ("nginx", 1)):
        assert run("explain", "--config", policy, image).return_value == code, image


def test_without_patterns_for_openshift(config: Path) -> None:
    result = run("convert", "--imports-to-rules", "--no-patterns", config)
    names = [rule["name"] for rule in yaml.safe_load(result.stdout)["executionRules"]]
    assert names == ["allow-integrated-registry", "allow-import-registries"]
    assert "matchRegistries knows no wildcards; left out" in result.stderr
