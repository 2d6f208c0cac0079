"""``imagegate check-streams``."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from imagegate.cli.check_streams import check_streams
from imagegate.errors import ConfigError
from tests.support.import_gate_setup import MANUAL_LISTED, docker_tag, history, stream

CONFIG = """
imagePolicyConfig:
  allowedRegistriesForImport:
  - domainName: registry.access.redhat.com
  - domainName: "*.mydomain.com"
    insecure: true
  - domainName: local.registry.corp:5000
"""
NEAREST = (
    "nearest rule: allowedRegistriesForImport[0] registry.access.redhat.com:443 would allow it, "
    'but host "quay.io" does not match "registry.access.redhat.com"'
)
INSIDE = stream("good", docker_tag("a", "registry.access.redhat.com/x"))
OUTSIDE = stream("bad", docker_tag("a", "quay.io/x"), status={"tags": [history("a", "quay.io/x@sha256:" + "d" * 64)]})
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}
LIST = {"kind": "List", "apiVersion": "v1", "items": [INSIDE, POD, OUTSIDE]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, text: str = "") -> Result:
    options = ["--config", str(folder / "config.yaml"), *arguments]
    return CliRunner().invoke(
        check_streams, options, input=io.BytesIO(text.encode()), standalone_mode=False, catch_exceptions=False
    )


def test_references_outside_the_list_are_listed_with_their_place(folder: Path) -> None:
    path = folder / "streams.yaml"
    path.write_text(yaml.safe_dump(LIST), encoding="utf-8")
    result = run(folder, str(path))
    refused = f'registry "quay.io" not allowed by whitelist: {MANUAL_LISTED}; {NEAREST}'
    lines = path.read_text(encoding="utf-8").splitlines()
    assert result.return_value == 1
    first, second = result.stdout.splitlines()
    place, _, said = first.partition(": ")
    assert said == f"test/bad: spec.tags[a].from.name: quay.io/x: {refused}"
    assert lines[int(place.rpartition(":")[2]) - 1] == "    - from:"
    assert second.endswith(f"status.tags[a].items[0].dockerImageReference: quay.io/x@sha256:{'d' * 64}: {refused}")
    assert result.stderr == "2 references outside the list in 2 image streams\n"


def test_nothing_outside_is_exit_code_0(folder: Path) -> None:
    result = run(folder, "-", text=json.dumps(INSIDE))
    assert (result.return_value, result.stdout) == (0, "")


def test_json(folder: Path) -> None:
    result = run(folder, "-o", "json", "-", text=json.dumps(OUTSIDE))
    found = json.loads(result.stdout)
    assert [each["image"] for each in found] == ["quay.io/x", f"quay.io/x@sha256:{'d' * 64}"]
    assert (found[0]["namespace"], found[0]["stream"], found[0]["file"]) == ("test", "bad", "<stdin>")


def test_without_a_list_there_is_nothing_to_check_by(folder: Path) -> None:
    (folder / "config.yaml").write_text("imagePolicyConfig: {}", encoding="utf-8")
    with pytest.raises(ConfigError, match="no allowedRegistriesForImport"):
        run(folder, "-")


@pytest.mark.parametrize(
    "content,error",
    [
        (b"\xff", "streams.yaml:1: not UTF-8 (byte 0)"),
        (
            b"kind: ImageStream\napiVersion: image.openshift.io/v1\nspec: 5\n",
            "streams.yaml:1: spec: expected an object, got 5",
        ),
        (b"kind: [", "streams.yaml:2: not YAML"),
    ],
)
def test_an_unreadable_file_is_an_error(folder: Path, content: bytes, error: str) -> None:
    (folder / "streams.yaml").write_bytes(content)
    result = run(folder, str(folder / "streams.yaml"))
    assert result.return_value == 2
    assert error in result.stderr


def test_a_missing_file_is_an_error(folder: Path) -> None:
    result = run(folder, str(folder / "absent.yaml"), str(folder / "config.yaml"))
    assert result.return_value == 2
    assert "absent.yaml: no such file or folder\n" in result.stderr
    assert "config.yaml:2: not a Kubernetes object" in result.stderr


def test_a_file_that_cannot_be_read_or_is_too_large_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "streams.yaml"))
        result = run(folder, str(folder / "streams.yaml"))
    assert (result.return_value, "streams.yaml:1: cannot be read: it is a socket" in result.stderr) == (2, True)
    monkeypatch.setattr("imagegate.cli.check.read.FILE_MAX_BYTES", 10)
    assert "<stdin>:1: larger than 10 bytes" in run(folder, "-", text="x" * 11).stderr
