"""Policies and cluster objects from files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.adapters.files.cluster import ClusterFiles, load_cluster_files
from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.admission.owners import Owner
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from imagegate.documents.image_policies import Reading
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidPolicy
from tests.support.enforcement_setup import policy

OBJECTS = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: key, namespace: team}, stringData: {key: a}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs, namespace: team}
---
{apiVersion: v1, kind: Status}
"""


def load(*paths: Path) -> ClusterFiles:
    return load_cluster_files(paths, Reading(namespace="here"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.yaml").write_text(policy("{name: b}", name="b"))
    (tmp_path / "below/a.json").write_text('{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "json"}}')
    (tmp_path / "below/c.yml").write_text(policy("{name: c}", namespace="team"))
    (tmp_path / "README.md").write_text("{not yaml")
    return tmp_path


def test_folders_are_read_whole_and_other_files_left_alone(folder: Path) -> None:
    found = load(folder)
    assert [each.name for each in found.policies.policies] == ["b", "p"]
    assert isinstance(found.secret(Secret("here", "json"), deadline_s=1), Found)


def test_a_file_named_twice_is_read_once(folder: Path) -> None:
    assert len(load(folder, folder / "b.yaml").policies.policies) == 2


def test_questions(tmp_path: Path) -> None:
    found = ClusterFiles()
    found.add(read_source(OBJECTS, "objects.yaml").documents, "objects.yaml", Reading(namespace="here"))
    secret = found.secret(Secret("team", "key"), deadline_s=1)
    assert isinstance(secret, Found)
    assert secret.value["stringData"] == {"key": "a"}
    assert found.secret(Secret("here", "key"), deadline_s=1) == Absent('secrets "key" not found', "secrets")
    assert isinstance(found.service_account(ServiceAccount("here", "default"), deadline_s=1), Found)
    assert found.service_account(ServiceAccount("team", "default"), deadline_s=1) == Absent(
        'serviceaccounts "default" not found', "serviceaccounts"
    )
    assert isinstance(found.owner(Owner("apps/v1", "ReplicaSet", "team", "rs"), deadline_s=1), Found)
    assert found.owner(Owner("apps/v1beta1", "ReplicaSet", "team", "rs"), deadline_s=1) == Absent(
        'replicasets "rs" not found', "replicasets"
    )


@pytest.mark.parametrize(
    "content, error",
    [
        (b"- a", "objects.yaml:1: expected an object with apiVersion and kind"),
        (b"kind: List\napiVersion: v1\nitems: [a]", r"objects.yaml:3: items\[0\]: expected an object"),
        (b"kind: Secret", "objects.yaml:1: apiVersion: required"),
        (b"\xff\xfe", "objects.yaml:1: not UTF-8"),
        (b"a: [", "objects.yaml:2: not YAML"),
        (policy("{name: 5}").encode(), r"objects.yaml:7: spec.repositories\[0\].name: expected string"),
    ],
)
def test_what_is_wrong_names_file_and_line(tmp_path: Path, content: bytes, error: str) -> None:
    (tmp_path / "objects.yaml").write_bytes(content)
    with pytest.raises(InvalidPolicy, match=error):
        load(tmp_path)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"absent\.yaml: cannot be read: No such file"):
        load(tmp_path / "absent.yaml")


def test_the_same_policy_in_two_files(folder: Path) -> None:
    (folder / "z.yaml").write_text(policy("{name: z}", name="b"))
    with pytest.raises(
        InvalidPolicy, match=r"z\.yaml:2: ClusterImagePolicy b is written twice \(first in .*b\.yaml:2\)"
    ):
        load(folder)
