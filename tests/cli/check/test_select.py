"""What is not read is said, and a pipeline is not green because nothing was looked at."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cli.commands import SETTINGS, Command, pod
from tests.support.service import CONFIG, IMAGEGATE, sample_config

BAD, GOOD = pod("quay.io/x/y:1"), pod("docker.io/library/nginx:1")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "good.yaml").write_text(GOOD)
    return folder


@pytest.fixture
def unprivileged(imagegate: Command) -> Iterator[Path]:
    """A folder of a user to whom permissions apply; beside it the samples, since the checkout may be root's alone."""
    imagegate("check", *SETTINGS, CONFIG / "examples/pods")  # imports what another user could not read
    parent = Path(tempfile.mkdtemp(dir="/tmp"))
    parent.chmod(0o755)
    sample_config(parent)
    folder = parent / "manifests"
    folder.mkdir(mode=0o755)
    user = os.geteuid()
    if user == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(user)
        shutil.rmtree(parent)


class TestPassedOver:
    def test_hidden_folders_and_links_to_folders_are_said(self, imagegate: Command, tree: Path) -> None:
        for name in (".git", "sub/.x"):
            (tree / name).mkdir(parents=True)
            (tree / name / "bad.yaml").write_text(BAD)
        (tree.parent / "outside").mkdir()
        (tree.parent / "outside/bad.yaml").write_text(BAD)
        (tree / "link").symlink_to("../outside")
        (tree / "sub/up").symlink_to("..")
        ran = imagegate("check", *SETTINGS, tree)
        assert ran.code == 0
        assert ran.err.splitlines() == [
            f"imagegate: {tree}/.git: passed over: a hidden folder",
            f"imagegate: {tree}/sub/.x: passed over: a hidden folder",
            f"imagegate: {tree}/link: passed over: a link to a folder elsewhere",
            f"imagegate: {tree}/sub/up: passed over: it is {tree}, which is read already",
        ]
        document = json.loads(imagegate("check", *SETTINGS, tree, "-o", "json").out)
        assert [line.partition(":")[0] for line in document["passedOver"]] == [
            f"{tree}/{name}" for name in (".git", "sub/.x", "link", "sub/up")
        ]
        (run,) = json.loads(imagegate("check", *SETTINGS, tree, "-o", "sarif").out)["runs"]
        (invocation,) = run["invocations"]
        assert invocation["executionSuccessful"] is True
        assert [note["level"] for note in invocation["toolExecutionNotifications"]] == ["note"] * 4

    def test_a_hidden_folder_that_is_named_is_read(self, imagegate: Command, tree: Path) -> None:
        (tree / ".x").mkdir()
        (tree / ".x/bad.yaml").write_text(BAD)
        assert imagegate("check", *SETTINGS, tree / ".x").code == 1

    def test_what_the_user_excludes_is_not_said(self, imagegate: Command, tree: Path) -> None:
        (tree / ".git").mkdir()
        assert imagegate("check", *SETTINGS, tree, "--exclude", ".git").err == ""

    def test_a_mounted_config_map_is_read_once(self, imagegate: Command, tree: Path) -> None:
        (tree / "..2026_01_01").mkdir()
        (tree / "..2026_01_01/bad.yaml").write_text(BAD)
        (tree / "..data").symlink_to("..2026_01_01")
        (tree / "bad.yaml").symlink_to("..data/bad.yaml")
        ran = imagegate("check", *SETTINGS, tree)
        assert (ran.code, ran.err) == (1, "")
        assert ran.out.endswith("2 objects: 1 denied, 1 allowed\n")


class TestMountedVolume:
    """A folder that is a ConfigMap or Secret volume is read once, by every command."""

    def test_policies(self, imagegate: Command, tmp_path: Path) -> None:
        policy = (
            "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: hub}\n"
            "spec: {repositories: [{name: docker.io/*, policy: {}}]}\n"
        )
        (tmp_path / "..2026_11_27_01_00_00.1").mkdir()
        (tmp_path / "..2026_11_27_01_00_00.1/policy.yaml").write_text(policy)
        (tmp_path / "..data").symlink_to("..2026_11_27_01_00_00.1")
        (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
        ran = imagegate("lint", tmp_path)
        assert (ran.code, ran.out, ran.err) == (0, "", "nothing found\n")
        ran = imagegate("explain", "--policies", tmp_path, "docker.io/team/app:1")
        assert ran.out.startswith("docker.io/team/app:1 in namespace default: allowed\n")
        assert imagegate("convert", "--to", "cise", tmp_path).out.count("kind: ClusterImagePolicy") == 1
        ran = imagegate("check", "--policies", tmp_path, "--images", tmp_path, tmp_path)
        assert (ran.code, ran.out.splitlines()[-1]) == (0, "1 object: 1 not covered")


class TestNothingLookedAt:
    @pytest.mark.parametrize("content", ["", "# nothing\n", "---\n---\n", "apiVersion: v1\nkind: List\nitems: []\n"])
    def test_no_object_at_all_is_not_green(self, imagegate: Command, tree: Path, content: str) -> None:
        (tree / "good.yaml").write_text(content)
        ran = imagegate("check", *SETTINGS, tree)
        assert ran.code == 2
        assert ran.err == "imagegate: nothing was checked: the named files contain no object\n"
        assert json.loads(imagegate("check", *SETTINGS, tree, "-o", "json").out)["errors"] != []

    def test_nothing_on_standard_input(self, imagegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        assert imagegate("check", *SETTINGS, "-").code == 2

    @pytest.mark.parametrize("command", ["check", "check-streams"])
    def test_a_folder_without_a_manifest(self, imagegate: Command, tree: Path, command: str) -> None:
        empty = tree / "empty"
        empty.mkdir()
        (empty / "notes.txt").write_text("x")
        ran = imagegate(command, *SETTINGS, empty, tree)
        assert ran.code == 2
        assert f"imagegate: {empty}: nothing to read: no file *.yaml or *.yml or *.json in this folder\n" in ran.err
        assert imagegate(command, *SETTINGS, tree).code == 0

    def test_patterns_that_select_nothing(self, imagegate: Command, tree: Path) -> None:
        ran = imagegate("check", *SETTINGS, tree, "--include", "*.yam")
        assert ran.code == 2
        assert "nothing to read: no file *.yam in this folder" in ran.err
        assert imagegate("check", *SETTINGS, tree, "--exclude", "*").code == 2

    def test_policies_behind_links_that_lead_elsewhere(self, imagegate: Command, tree: Path) -> None:
        """A link inside is followed, as in a mounted ConfigMap; others are said."""
        policy = "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{name: a, matchRegistries: [b.io]}]\n"
        for folder in (tree.parent / "outside", tree / "inside"):
            folder.mkdir()
            (folder / "policy.yaml").write_text(policy)
        (tree / "out").symlink_to("../outside")
        (tree / "in").symlink_to("inside")
        ran = imagegate("lint", tree)
        assert ran.out == (
            f"{tree}/in:1: info: passed over: it is {tree}/inside, which is read already [not-read]\n"
            f"{tree}/out:1: warning: passed over: a link to a folder elsewhere [not-read]\n"
        )
        assert f"imagegate: {tree}/out: passed over: a link to a folder elsewhere\n" in imagegate("convert", tree).err

    def test_no_policy_in_a_folder_of_lint(self, imagegate: Command, tree: Path) -> None:
        ran = imagegate("lint", "-W", tree)
        assert ran.code == 1
        assert f"{tree}:1: warning: contains no policy that imagegate reads" in ran.out


class TestWhatCannotBeRead:
    """One line each, exit code 2, no traceback and no waiting."""

    @pytest.mark.parametrize("command", ["check", "check-streams"])
    def test_pipes_sockets_devices_and_broken_links(self, imagegate: Command, tree: Path, command: str) -> None:
        os.mkfifo(tree / "pipe.yaml")
        (tree / "device.json").symlink_to("/dev/zero")
        (tree / "loop.yaml").symlink_to("loop.yaml")
        (tree / "nowhere.yaml").symlink_to("nothing")
        (tree / "folder").symlink_to("no-folder")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tree / "socket.yml"))
            ran = imagegate(command, *SETTINGS, tree)
        assert ran.code == 2
        lines = ran.err.splitlines()
        assert all(line.startswith("imagegate: ") for line in lines[:6])
        assert [line.split(":")[1].rpartition("/")[2] for line in lines[:6]] == [
            "pipe.yaml", "socket.yml", "device.json", "folder", "loop.yaml", "nowhere.yaml",
        ]  # fmt: skip
        if command == "check":  # the rest is checked all the same
            assert ran.out.endswith("1 object: 1 allowed; 6 errors\n")

    @pytest.mark.parametrize("name", ["dangling", "loop"])
    @pytest.mark.parametrize(
        "command",
        [("check", *SETTINGS), ("check-streams", *SETTINGS), ("lint",), ("convert",)],
        ids=lambda each: str(each[0]),
    )
    def test_a_link_that_leads_nowhere_is_named(
        self, imagegate: Command, tmp_path: Path, command: tuple[str, ...], name: str
    ) -> None:
        (tmp_path / "dangling").symlink_to("nothing")
        (tmp_path / "loop").symlink_to("loop")
        ran = imagegate(*command, tmp_path / name)
        assert ran.code == 2
        why = "a link to nothing, which does not exist" if name == "dangling" else "a link in a circle"
        if command[0] == "lint":
            assert ran.out == f"{tmp_path / name}:1: error: {why} [unreadable]\n"
        else:
            why = "cannot be read: " if command[0] == "convert" else f"{why}\n"
            assert f"imagegate: {tmp_path / name}: {why}" in ran.err

    def test_a_folder_that_may_not_be_read(self, imagegate: Command, unprivileged: Path) -> None:
        settings = ("--settings", unprivileged.parent / "config" / "imagegate.yaml")
        for name in ("open", "closed"):
            (unprivileged / name).mkdir()
            (unprivileged / name / "bad.yaml").write_text(BAD)
        (unprivileged / "file.yaml").write_text(GOOD)
        (unprivileged / "file.yaml").chmod(0)
        (unprivileged / "closed").chmod(0)
        try:
            ran = imagegate("check", *settings, unprivileged)
            named = imagegate("check", *settings, unprivileged / "closed/bad.yaml")
        finally:
            (unprivileged / "closed").chmod(0o700)
        assert ran.code == 2
        assert ran.out.endswith("1 object: 1 denied; 2 errors\n")
        assert ran.err.splitlines() == [
            f"imagegate: {unprivileged}/closed: cannot be read: Permission denied",
            f"imagegate: {unprivileged}/file.yaml:1: cannot be read: Permission denied",
        ]
        assert (named.code, named.err) == (
            2, f"imagegate: {unprivileged}/closed/bad.yaml: cannot be read: Permission denied\n",
        )  # fmt: skip

    def test_bad_standard_input_is_said_once(self, imagegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: \xff")))
        ran = imagegate("check", *SETTINGS, "-")
        assert (ran.code, ran.err) == (2, "imagegate: <stdin>:1: not UTF-8 (byte 3)\n")


class TestBesideManifests:
    """Kustomizations and parts of charts are named, and count where they hold objects all the same."""

    @pytest.fixture
    def chart(self, tree: Path) -> Path:
        files = {
            "kustomization.yaml": "resources: [good.yaml]\n",
            "base/kustomization.yml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
            "Chart.yaml": "apiVersion: v2\nname: a\n",
            "values.yaml": "image: {name: x}\nserver: {bind: y}\n",
            "values-live.yml": "a: 1\n",
            "values.schema.json": "{}",
            "templates/pod.yaml": "{{ if .Values.a }}\nkind: Pod\n{{ end }}\n",
            "templates/sub/quoted.yaml": pod("{{ .Values.image }}")
            .replace("image: {{", "image: '{{")
            .replace("}}", "}}'"),
        }
        for name, text in files.items():
            (tree / name).parent.mkdir(exist_ok=True)
            (tree / name).write_text(text)
        return tree

    @pytest.mark.parametrize("command", ["check", "check-streams"])
    def test_they_are_named_and_the_rest_is_checked(self, imagegate: Command, chart: Path, command: str) -> None:
        ran = imagegate(command, *SETTINGS, chart)
        assert ran.code == 0, ran.err
        named = {
            line.split(": ")[1].removeprefix(f"{chart}/"): line for line in ran.err.splitlines() if "passed" in line
        }
        template = {"templates/sub/quoted.yaml:1"} if command == "check" else set()
        assert named.keys() == {
            "kustomization.yaml:1", "base/kustomization.yml:1", "Chart.yaml:1", "values.yaml:1", "values-live.yml:1",
            "values.schema.json:1", "templates/pod.yaml:1", *template,
        }  # fmt: skip
        assert "kustomize build" in named["kustomization.yaml:1"]
        assert "a template of a Helm chart that was not rendered" in named["templates/pod.yaml:1"]

    def test_lint_and_policies(self, imagegate: Command, chart: Path) -> None:
        (chart / "good.yaml").unlink()
        (chart / "policy.yaml").write_text(
            "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: all}\n"
            "spec: {repositories: [{name: docker.io/*, policy: {}}]}\n"
        )
        ran = imagegate("lint", chart)
        assert ran.code == 0
        assert {line.partition(": ")[2].partition(":")[0] for line in ran.out.splitlines()} == {"info"}
        assert "values.yaml:1: info: passed over: a part of a Helm chart" in ran.out
        assert imagegate("convert", "--to", "cise", chart).out.count("kind: ClusterImagePolicy") == 1
        ran = imagegate("explain", "--policies", chart, "docker.io/library/a:1")
        assert ran.out.startswith("docker.io/library/a:1 in namespace default: allowed")
        assert imagegate("explain", "--policies", chart, "--images", chart, "docker.io/library/a:1").code == 0

    @pytest.mark.parametrize("name", ["kustomization.yaml", "values.yaml", "Chart.yaml", "templates/pod.yaml"])
    def test_an_object_counts_whatever_the_name_of_its_file(self, imagegate: Command, chart: Path, name: str) -> None:
        """``kubectl apply -R`` reads it."""
        (chart / name).write_text(f"# {{{{ a comment }}}}\nx: 1\n---\n{BAD}")
        if name == "Chart.yaml":
            (chart / "templates/pod.yaml").unlink()
            (chart / "templates/sub/quoted.yaml").unlink()
        ran = imagegate("check", *SETTINGS, chart)
        assert "1 denied" in ran.out

    def test_a_template_elsewhere_is_an_error(self, imagegate: Command, tree: Path) -> None:
        (tree / "templates").mkdir()
        (tree / "templates/a.yaml").write_text("a: {{ b }}\n")
        ran = imagegate("check", *SETTINGS, tree)
        assert (ran.code, "a template that was not rendered?" in ran.err) == (2, True)
        assert imagegate("check", *SETTINGS, tree, "--skip-unknown").code == 0

    def test_only_a_chart_is_nothing(self, imagegate: Command, chart: Path) -> None:
        (chart / "good.yaml").unlink()
        ran = imagegate("check", *SETTINGS, chart)
        assert (ran.code, "nothing was checked" in ran.err) == (2, True)


class TestImportsAlone:
    """The import list stops no Pod: a check of Pods with nothing else is not green."""

    LIST = "imagePolicyConfig: {allowedRegistriesForImport: [{domainName: docker.io}]}\n"

    @pytest.fixture
    def options(self, tmp_path: Path) -> tuple[str, Path]:
        (tmp_path / "list.yaml").write_text(self.LIST)
        return "--config", tmp_path / "list.yaml"

    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_pods(self, imagegate: Command, tree: Path, options: tuple[str, Path], jobs: str) -> None:
        (tree / "more.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n")
        ran = imagegate("check", *options, "--jobs", jobs, tree)
        assert ran.code == 2
        assert "imagegate: 2 objects with Pods: nothing judges Pods" in ran.err
        assert json.loads(imagegate("check", *options, tree, "-o", "json").out)["errors"] != []

    def test_what_makes_no_pods(self, imagegate: Command, tree: Path, options: tuple[str, Path]) -> None:
        (tree / "good.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
        assert imagegate("check", *options, tree).code == 0

    def test_lint(self, imagegate: Command, tmp_path: Path, options: tuple[str, Path]) -> None:
        (tmp_path / "imagegate.yaml").write_text("config: list.yaml\n")
        for path in (options[1], tmp_path / "imagegate.yaml"):
            ran = imagegate("lint", path)
            assert (ran.code, "warning: nothing judges Pods" in ran.out) == (0, True)
            assert imagegate("lint", "-W", path).code == 1
        (tmp_path / "list.yaml").write_text(f"{self.LIST}kind: MasterConfig\n")
        (tmp_path / "imagegate.yaml").write_text("config: list.yaml\ncise: {}\n")
        assert "nothing judges Pods" not in imagegate("lint", tmp_path / "imagegate.yaml").out


class TestWhatIsNoObject:
    FOREIGN = "openapi: 3.0.0\ninfo: {title: x}\n"

    @pytest.mark.parametrize("command", ["check", "check-streams"])
    @pytest.mark.parametrize("text", [FOREIGN, "- a\n", "text\n", "kind: Pod\n", f"{FOREIGN}---\n{FOREIGN}"])
    def test_it_is_an_error_unless_it_is_to_be_skipped(
        self, imagegate: Command, tree: Path, command: str, text: str
    ) -> None:
        (tree / "api.yaml").write_text(text)
        faults = text.count("---") + 1
        ran = imagegate(command, *SETTINGS, tree)
        assert (ran.code, ran.err.count(f"imagegate: {tree}/api.yaml:")) == (2, faults)
        ran = imagegate(command, *SETTINGS, tree, "--skip-unknown")
        assert (ran.code, ran.err.count(f"{tree}/api.yaml:"), ran.err.count("passed over: ")) == (0, faults, faults)

    def test_a_broken_file_is_an_error_all_the_same(self, imagegate: Command, tree: Path) -> None:
        (tree / "broken.yaml").write_text("a: [\n")
        assert imagegate("check", *SETTINGS, tree, "--skip-unknown").code == 2

    @pytest.mark.parametrize(
        "first", ["a: [\n", "a: b: c\n", FOREIGN, "\ta: 1\n", "'\n", f"a: {'[' * 300}{']' * 300}\n"]
    )
    def test_it_hides_no_document_of_its_file(self, imagegate: Command, tree: Path, first: str) -> None:
        (tree / "many.yaml").write_text(f"{GOOD}---\n{first}---\n{BAD}---\n{first}")
        ran = imagegate("check", *SETTINGS, tree)
        assert ran.code == 2
        assert "1 denied" in ran.out
        assert "2 allowed" in ran.out
        assert ran.err.count(f"imagegate: {tree}/many.yaml:") >= 1 + (first == self.FOREIGN)

    def test_require_objects(self, imagegate: Command, tree: Path) -> None:
        (tree / "good.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
        assert imagegate("check", *SETTINGS, tree).code == 0
        ran = imagegate("check", *SETTINGS, tree, "--require-objects")
        assert (ran.code, "--require-objects" in ran.err) == (2, True)
        (tree / "pod.yaml").write_text(GOOD)
        assert imagegate("check", *SETTINGS, tree, "--require-objects").code == 0


class TestRealShell:
    """Pipes that the user names are read, by the installed command."""

    def shell(self, script: str, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-c", script, "bash", IMAGEGATE, *SETTINGS, *arguments]
        return subprocess.run(
            [str(each) for each in command], capture_output=True, text=True, timeout=60, check=False, cwd=folder
        )

    @pytest.mark.parametrize(
        "script",
        [
            '"$1" check "$2" "$3" <(cat bad.yaml)',
            '"$1" check "$2" "$3" /dev/stdin < bad.yaml',
            'cat bad.yaml | "$1" check "$2" "$3" /dev/stdin',
            'cat bad.yaml | "$1" check "$2" "$3" -',
            'mkfifo p; cat bad.yaml > p & "$1" check "$2" "$3" p',
            '"$1" check --config <(cat config.yaml) bad.yaml',
        ],
    )
    def test_check(self, tmp_path: Path, script: str) -> None:
        (tmp_path / "bad.yaml").write_text(BAD)
        config = tmp_path / "config.yaml"
        config.write_text(
            "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{name: hub, matchRegistries: [docker.io]}]\n"
        )
        ran = self.shell(script, tmp_path)
        assert ran.returncode == 1, ran.stderr
        assert "1 object: 1 denied" in ran.stdout

    def test_lint_and_convert(self, tmp_path: Path) -> None:
        policy = {
            "apiVersion": "portieris.cloud.ibm.com/v1",
            "kind": "ClusterImagePolicy",
            "metadata": {"name": "a"},
            "spec": {"repositories": [{"name": "*", "policy": {}}]},
        }
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy))
        assert self.shell('"$1" lint <(cat p.yaml)', tmp_path).stderr == "nothing found\n"
        converted = self.shell('"$1" convert --to cise <(cat p.yaml)', tmp_path)
        assert "securityenforcement.admission.cloud.ibm.com" in converted.stdout


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_byte_order_mark_is_read_over(imagegate: Command, tmp_path: Path, bom: bytes, form: str) -> None:
    text = BAD if form == "yaml" else json.dumps(yaml.safe_load(BAD))
    config = {
        "kind": "ImagePolicyConfig",
        "apiVersion": "v1",
        "executionRules": [{"name": "a", "matchRegistries": ["b.io"]}],
    }
    (tmp_path / "a").write_bytes(bom + text.encode())
    (tmp_path / "config").write_bytes(bom + (yaml.safe_dump(config) if form == "yaml" else json.dumps(config)).encode())
    assert imagegate("check", "--config", tmp_path / "config", tmp_path / "a").out.endswith("1 object: 1 denied\n")
    assert imagegate("lint", tmp_path / "config").out == ""
    assert "outside the list in" in imagegate("check-streams", *SETTINGS, tmp_path / "a").err
