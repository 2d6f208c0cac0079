"""Every block of the documentation is run, read or compared with its source; what cannot be is listed with a reason.

``console`` blocks are run by ``test_readme``, with their output.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.profile import Profile
from imagegate.documents.image_policies import read_policies
from imagegate.documents.master_config import read_config
from imagegate.settings.load import ENTRIES, load_settings
from tests.documents.test_master_config import Files
from tests.support.pages import Block, blocks, files
from tests.support.programs import program, run
from tests.support.service import CONFIG, ROOT

BIN = Path(sys.executable).parent
LANGUAGES = {"console", "groovy", "json", "sh", "text", "yaml"}
SHOWN_BY: Mapping[str, tuple[str, str]] = {
    "docs/enforcement.md: Warning  FailedCreate": (
        "no image policies or cluster polices for",
        "tests/core/enforcement/test_plugin.py",
    ),
    "docs/image-api.md: Error from server": ("cannot list resource", "tests/vectors/image_api/pairs.jsonl"),
    "docs/image-api.md: images.image.openshift.io": ("cannot mark resource", "tests/web/image_api/test_marks.py"),
    "docs/image-policy.md: The Pod": ("rejected by rule", "tests/vectors/image_policy/walk_through.yaml"),
    "docs/import-gate.md: The ImageStream ": (
        "not allowed by whitelist",
        "tests/vectors/import_gate/worked_cases.yaml",
    ),
    "docs/import-gate.md: The ImageStreamTag ": (
        "is invalid: tag.from.name",
        "tests/vectors/import_gate/worked_cases.yaml",
    ),
    "docs/signing.md: STORE_URL/": ("signature-1", "tests/service/test_signed_images.py"),
    "docs/vulnerabilities.md: Deny": ("vulnerabilities of severity", "tests/core/vulnerabilities/test_verdict.py"),
    "docs/walkthrough.md: # 1. Import": ("test-pod", "tests/test_walkthrough.py"),
    "docs/performance.md: $ imagegate check": ("imagegate check", "bench/peer_policies.py"),
    "docs/performance.md: $ gator test": ("gator test", "bench/peer_policies.py"),
    "docs/performance.md: $ kyverno apply": ("kyverno apply", "bench/peer_policies.py"),
}
"""A block of text: a part of it, and the test that compares this part with what the program answers."""
OUTSIDE: Mapping[str, str] = {
    "/opt/imagegate/bin/pip": "installs for the whole machine; tests/distribution installs into a prefix",
    "DIGEST=$(skopeo": "asks a registry that does not exist",
    "apt-get": "installs for the whole machine",
    "buildah": "needs images and a registry of one's own; tests/container runs buildah",
    "curl": "asks a server of IBM",
    "docker": "needs an engine and a registry; tests/container builds the Dockerfile",
    "gpg": "needs one's own keys; tests/cli/test_key.py imports a key with gpg",
    "grype": "asks a registry that does not exist",
    "helm": "needs a cluster: tests/cluster installs the chart",
    "kubectl": "needs a cluster, or a service that is set up for it",
    "make": "the targets are run by people and by CI",
    "notary": "needs a trust server: tests/web signs with notary",
    "oc": "needs a cluster",
    "oras": "asks a registry that does not exist",
    "python3": "installs for the whole machine; tests/distribution installs into a prefix",
    "skopeo": "needs one's own keys and images; tests sign with skopeo",
    "trivy": "asks a registry that does not exist",
}
"""Program -> why its commands are not run. They must still be shell, and a target of make must exist."""
NOT_RUN: Mapping[str, str] = {
    "imagegate serve": "goes on until it is stopped; test_readme and tests/web run servers",
    "imagegate install": "needs a cluster: tests/cluster",
    "imagegate store migrate": "needs a cluster: tests/cluster",
    "imagegate image": "needs a store and a registry: tests/walkthrough, tests/cli/image",
    "imagegate key create 'icr.io/mynamespace/*' --vault": "needs a vault: tests/cli/test_key.py",
}
"""Beginning of a command -> why it is not run; its options must still be read without an error."""
FRAGMENTS: Mapping[tuple[str, str], str] = {
    ("docs/pipelines.md", "# yaml-language-server: $schema=../docs/schemas/settings.schema.json"): "a comment",
    ("docs/recovery.md", "namespaceSelector:"): "part of a webhook of the chart",
    ("docs/testing.md", "- name: a debug container from Docker Hub"): "a case of the suite above it",
    ("docs/vulnerabilities.md", '- name: "us.icr.io/*"'): "an entry of a policy",
    ("docs/signing.md", "docker:"): "registries.d of containers/image: tests sign with such a file",
}
"""Page and first line of YAML that is no whole document."""
OTHER_KINDS = {
    "AccessRules": "tests/adapters/files",
    "AdmissionConfiguration": "the API server's: tests/cluster start it with such a file",
    "ClusterRole": "RBAC",
    "Config": "kubectl's",
    "Policy": "the API server's audit policy: tests/cluster/test_replay.py starts it with this one",
    "PolicyTest": "tests/documents/policy_tests/test_read.py",
}
_SETTINGS = {entry.path[0] for entry in ENTRIES}
_TOP_OF_MASTER_CONFIG = {"admissionConfig", "imagePolicyConfig"}


def test_pages_of_whole_files_show_nothing_else() -> None:
    """Their other blocks are commands with output, or one job that is checked like the files."""
    for page in WHOLE_FILES:
        shown = {
            text for block in blocks() if block.page == page and block.language != "console" for text in [block.text]
        }
        assert shown == set(files(ROOT / page).values()), page


def test_every_block_says_what_it_is() -> None:
    assert [(block.page, block.beginning) for block in blocks() if block.language not in LANGUAGES] == []


def test_json_is_json() -> None:
    found = list(blocks("json"))
    assert found
    for block in found:
        json.loads(block.text)


SYSTEMS = ("argo-cd", "flux", "github-actions", "gitlab", "jenkins", "tekton")
WHOLE_FILES = {"docs/tutorial.md": "tests/test_tutorial.py"} | {
    f"docs/{system}.md": "tests/test_pipeline_examples.py" for system in SYSTEMS
}
"""Pages whose blocks are whole files -> the test that uses them."""


def identified(block: Block) -> str:
    return f"{block.page}: {block.beginning[:50]}"


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if block.page not in WHOLE_FILES], ids=identified)
def test_yaml_is_read_by_its_own_reader(block: Block, tmp_path: Path) -> None:
    documents = [each for each in yaml.safe_load_all(block.text) if each is not None]
    if (block.page, block.beginning) in FRAGMENTS:
        return
    assert documents
    for document in documents:
        read(document, tmp_path)


def read(document: Any, tmp_path: Path) -> None:
    assert isinstance(document, dict), "YAML that is no document is listed in FRAGMENTS"
    keys, kind, text = set(document), document.get("kind", ""), yaml.safe_dump(document)
    if keys <= _TOP_OF_MASTER_CONFIG:
        read_config(text, "example.yaml", Profile.DOCUMENTED, Files())
    elif kind in ("ImagePolicy", "ClusterImagePolicy"):
        assert read_policies(text, "example.yaml").warnings == []
    elif keys <= _SETTINGS:
        (tmp_path / "imagegate.yaml").write_text(text, encoding="utf-8")
        load_settings(tmp_path / "imagegate.yaml", environ={})
    else:
        assert kind in OTHER_KINDS or document.keys() & {"on", True, "images", "repos"}, f"nothing reads {keys}"


def command_lines(block: Block) -> Iterator[str]:
    """Each command, continued lines joined, without the comment at its end."""
    for line in block.text.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#( .*)?$", "", line).strip()
        if command and not command.startswith("#"):
            yield command


COMMANDS = [
    (block.page, command) for block in blocks("sh") if block.page not in WHOLE_FILES for command in command_lines(block)
]
OWN = [each for each in COMMANDS if each[1].rpartition("| ")[2].startswith("imagegate ")]


@pytest.mark.parametrize("block", list(blocks("sh")), ids=identified)
def test_the_shell_reads_the_commands(block: Block) -> None:
    run([program("bash"), "-n"], text_in=block.text)


def test_every_command_is_run_or_has_a_reason() -> None:
    programs = {command.split()[0] for _, command in COMMANDS}
    assert programs - {"imagegate"} == set(OUTSIDE), "see OUTSIDE"
    assert [text for text in NOT_RUN if not any(command.startswith(text) for _, command in COMMANDS)] == []


def test_targets_of_make_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = {command.split()[1] for _, command in COMMANDS if command.startswith("make ")}
    assert named
    assert named <= set(targets)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that the pages name."""
    shutil.copytree(CONFIG / "policies" / "portieris", tmp_path / "policies")
    shutil.copytree(CONFIG / "examples" / "reviews", tmp_path / "audit.log")
    (tmp_path / "deploy").mkdir()
    shutil.copy(CONFIG / "examples" / "pods" / "step-2-docker-hub.yaml", tmp_path / "deploy")
    for name in ("master-config.yaml", "new.yaml"):
        shutil.copy(CONFIG / "master-config.yaml", tmp_path / name)
    suite = run(
        [BIN / "imagegate", "test", "--init", "policies/imagegate-test.yaml", "--policies", "policies", "deploy"],
        cwd=tmp_path,
    )
    assert suite.returncode == 0
    (tmp_path / "stream.yaml").write_text(STREAM, encoding="utf-8")
    return tmp_path


STREAM = """apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: bar}
spec: {tags: [{name: latest, from: {kind: DockerImage, name: "registry.access.redhat.com/x/y:1"}}]}
"""


@pytest.mark.parametrize("page, command", OWN, ids=[f"{page}: {command[:60]}" for page, command in OWN])
def test_the_command_is_right(page: str, command: str, checkout: Path) -> None:
    """0 or 1: neither the usage nor a file is wrong."""
    words = shlex.split(command.rpartition("| ")[2])
    if any(command.startswith(text) for text in NOT_RUN):
        words.append("--help")
    text_in = STREAM if words[-1] == "-" else None
    done = run([BIN / words[0], *words[1:]], cwd=checkout, text_in=text_in, check=False)
    assert done.returncode in (0, 1), done.stderr


def test_a_text_is_what_a_test_compares() -> None:
    for block in blocks("text"):
        shown = [found for name, found in SHOWN_BY.items() if f"{block.page}: {block.beginning}".startswith(name)]
        assert len(shown) == 1, f"which test shows {identified(block)}?"
        part, test = shown[0]
        assert part in block.text
        assert part in (ROOT / test).read_text(encoding="utf-8"), test


def test_reasons_name_tests_that_exist() -> None:
    listed = (OUTSIDE, NOT_RUN, FRAGMENTS, OTHER_KINDS, WHOLE_FILES)
    reasons = " ".join(reason for each in listed for reason in each.values())
    assert [path for path in re.findall(r"tests/[a-z_/.]*[a-z]", reasons) if not (ROOT / path).exists()] == []
