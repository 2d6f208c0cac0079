"""The policy documents, read together."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments

POLICY = """\
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec: {repositories: [{name: "*", policy: {}}]}
"""
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


@pytest.mark.parametrize("text, warns", [(OTHER, True), ("", True), (POLICY, False), (OTHER + "---\n" + POLICY, False)])
def test_files_without_a_policy_are_told(tmp_path: Path, text: str, warns: bool) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(text)
    found = PolicyDocuments(StartupOptions(policies=(file,), environ={})).load()
    told = f"{file}: no ImagePolicy and no ClusterImagePolicy is there, so every image is denied"
    assert found.warnings == ((told,) if warns else ())
