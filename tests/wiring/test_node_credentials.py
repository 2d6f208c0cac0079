"""Credentials of the nodes: read from files, after those of the workload, renewed with the documents."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.core.registry.pull_secrets import Credential, PullSecret, parse_docker_configuration
from imagegate.errors import InvalidSettings
from imagegate.settings.load import load_settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments
from imagegate.wiring.node_credentials import node_secrets
from tests.support.answering import answered
from tests.support.enforcement_setup import CiseSetup, pod, policy, request

AUTH = base64.b64encode(b"node:secret").decode()
CONFIG = json.dumps({"auths": {"registry.corp": {"auth": AUTH}}})
ENTRY = '{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}'


def secrets(tmp_path: Path, *texts: str) -> tuple[PullSecret, ...]:
    names = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.json").write_text(text)
        names.append(f"{number}.json")
    settings = tmp_path / "imagegate.yaml"
    settings.write_text(f"registry: {{nodeCredentials: [{', '.join(names)}]}}\n")
    return node_secrets(load_settings(settings, environ={}), DiskDocuments())


def test_both_forms_are_read_in_the_order_of_the_files(tmp_path: Path) -> None:
    legacy = json.dumps({"other.corp:5000": {"username": "u", "password": "p"}})
    first, second = secrets(tmp_path, CONFIG, legacy)
    assert first.credentials_for("registry.corp", "a") == (Credential("node", "secret"),)
    assert second.credentials_for("other.corp:5000", "a") == (Credential("u", "p"),)
    assert first.credentials_for("registry.corp:5000", "a") == ()


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "it holds no credentials"),
        ('{"auths": {}}', "it holds no credentials"),
        ('{"auths": {"a.io": {}}}', "it holds no credentials"),
        ('{"auths": []}', "auths is not a JSON object"),
        ('{"auths": {"a.io": "x"}}', "is not a JSON object"),
        ('{"credsStore": "desktop"}', "credsStore are programs, which are not run"),
        ('{"auths": {}, "credHelpers": {"a.io": "ecr"}}', "credHelpers are programs, which are not run"),
        (CONFIG[:-4], "not JSON"),
        (f'{{"auths": {{}}, "x": "{"x" * 2**20}"}}', "more than 1048576 bytes"),
    ],
)
def test_a_file_without_credentials_stops_the_start_and_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        secrets(tmp_path, text)
    said = str(caught.value)
    assert said.startswith(f"registry.nodeCredentials: {tmp_path}/0.json: ")
    assert why in said
    assert "secret" not in said.replace("pull secret", "")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("registry: {nodeCredentials: [gone.json]}\n")
    with pytest.raises(InvalidSettings, match=r"gone\.json: cannot be read: No such file"):
        node_secrets(load_settings(settings, environ={}), DiskDocuments())


def test_a_changed_file_is_a_change_of_the_documents(tmp_path: Path) -> None:
    for name, text in (("p.yaml", policy(ENTRY)), ("node.json", CONFIG)):
        (tmp_path / name).write_text(text)
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("policies: [p.yaml]\nregistry: {nodeCredentials: [node.json]}\n")
    inputs = PolicyDocuments(StartupOptions(settings_file=settings, environ={}))
    assert _credentials(inputs) == ["node"]
    assert tmp_path / "node.json" in inputs.files()
    (tmp_path / "node.json").write_text(CONFIG.replace(AUTH, base64.b64encode(b"later:x").decode()))
    assert _credentials(inputs) == ["later"]


def _credentials(inputs: PolicyDocuments) -> list[str]:
    loaded = inputs.load()
    loaded.begins()
    (plugin,) = (each.plugin for each in loaded.plugins if each.name == "cise")
    assert isinstance(plugin, CisePlugin)
    assert plugin.settings.node_secrets == inputs.node_secrets
    return [entry.credential.username for secret in inputs.node_secrets for entry in secret.entries]


def test_a_workload_without_secrets_is_looked_up_with_them() -> None:
    node = PullSecret("node", parse_docker_configuration(CONFIG))
    setup = CiseSetup(policy(ENTRY))
    plugin = replace(setup.plugin, settings=replace(setup.settings, node_secrets=(node,)))
    asked: list[Any] = []
    answered(plugin, request(pod("registry.corp/app:1")), setup._answer, asked)
    (question,) = (each for each in asked if isinstance(each, ManifestDigest))
    assert question.secrets == (node,)


def test_changed_mirrors_are_a_change_of_the_documents(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors"
    mirrors.mkdir()
    spec = {"imageTagMirrors": [{"source": "quay.io", "mirrors": ["m.corp"]}]}
    document = {"apiVersion": "config.openshift.io/v1", "kind": "ImageTagMirrorSet", "spec": spec}
    (mirrors / "a.json").write_text(json.dumps(document))
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("registry: {mirrorSets: [mirrors]}\n")
    inputs = PolicyDocuments(StartupOptions(settings_file=settings, environ={}))
    assert inputs.mirrors() is None, "nothing is read yet"
    inputs.load().begins()
    assert inputs.mirrors() == (MirrorRule("quay.io", ("m.corp",), MirrorUse.TAG),)
    assert mirrors in inputs.files()
    (mirrors / "a.json").write_text("{}")
    inputs.load().begins()
    assert inputs.mirrors() == ()
