"""The settings' ``cluster`` block."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.errors import ConfigError
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build


def built(directory: Path, text: str) -> None:
    settings = directory / "imagegate.yaml"
    settings.write_text(text)
    build(StartupOptions(settings_file=settings, environ={}))


def test_rights_come_from_one_place(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("kind: AccessRules\nrules: []\n")
    with pytest.raises(ConfigError, match="accessRules: rights come from the cluster"):
        built(tmp_path, "accessRules: rules.yaml\ncluster: {}\n")


@pytest.mark.parametrize(
    "text, why",
    [
        ("cluster: {}\n", "the cluster cannot be reached with the pod's service account"),
        ("cluster: {kubeconfig: none}\n", "the cluster cannot be reached with kubeconfig .*none: no such file"),
        ("cluster: {kubeConfig: none}\n", "kubeConfig"),
        ("cluster: {cacheSeconds: 3600}\n", "cacheSeconds"),
    ],
)
def test_a_cluster_that_cannot_be_reached_stops_the_start(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        built(tmp_path, text)


def test_a_kubeconfig_is_looked_for_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}],"
        " users: [{name: u, user: {}}], contexts: [{name: x, context: {cluster: c, user: u}}]}"
    )
    built(tmp_path, "cluster: {kubeconfig: kubeconfig}\n")
    with pytest.raises(ConfigError, match="other"):
        built(tmp_path, "cluster: {kubeconfig: kubeconfig, context: other}\n")
