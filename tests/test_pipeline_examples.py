"""The files for CI systems: each fits the schema of its system, and the shell in it is run where it expects to be."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.pages import files
from tests.support.programs import program, run
from tests.support.service import CONFIG, ROOT

BIN = Path(sys.executable).parent
DOCS, CI = ROOT / "docs", ROOT / "ci"
ALLOWED = CONFIG / "examples" / "pods" / "step-2-docker-hub.yaml"
REWRITTEN = CONFIG / "examples" / "pods" / "step-4-internal-registry.yaml"
DENIED = CONFIG / "examples" / "pods" / "step-3-other-registry.yaml"
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def shown(page: str, name: str) -> str:
    """A file that a page shows whole."""
    return files(DOCS / f"{page}.md")[name]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with policies and manifests."""
    shutil.copytree(CONFIG, tmp_path / "policies")
    (tmp_path / "deploy").mkdir()
    shutil.copy(ALLOWED, tmp_path / "deploy")
    return tmp_path


def shell(
    script: str, checkout: Path, *arguments: str, name: str = "sh", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as a CI system does: it ends at the first command that fails."""
    options = ["-eo", "pipefail"] if name == "bash" else ["-e"]
    return run(
        [program(name), *options, "-c", script, "script", *arguments],
        cwd=checkout,
        env={**ENVIRONMENT, **variables},
        check=False,
    )


# Each system's scripts, one after the other, in a checkout


def gitlab_job(document: Mapping[str, Any], checkout: Path) -> int:
    variables = {key: filled_in(value) for key, value in document.get("variables", {}).items()}
    return shell("\n".join(document["script"]), checkout, **variables).returncode


def gitlab_template(checkout: Path) -> int:
    _, document = yaml.safe_load_all((CI / "gitlab.yml").read_text(encoding="utf-8"))
    return gitlab_job(document["images"], checkout)


def gitlab_alone(checkout: Path) -> int:
    return gitlab_job(yaml.safe_load(shown("gitlab", ".gitlab/images.yml"))["images"], checkout)


def filled_in(text: str) -> str:
    """GitLab's ``$[[ inputs.NAME ]]`` with the default of the template, Tekton's ``$(params.NAME)`` likewise."""
    spec, _ = yaml.safe_load_all((CI / "gitlab.yml").read_text(encoding="utf-8"))
    found = re.fullmatch(r"\$\[\[ inputs\.(\w+) ]]", text)
    return str(spec["spec"]["inputs"][found[1]]["default"]) if found else text


def tekton_task(checkout: Path) -> int:
    task = yaml.safe_load((CI / "tekton-task.yaml").read_text(encoding="utf-8"))["spec"]
    defaults = {each["name"]: each["default"] for each in task["params"]}
    (step,) = task["steps"]
    assert step["args"] == ["$(params.paths[*])"]
    assert step["env"] == [{"name": "SETTINGS", "value": "$(params.settings)"}]
    return shell(step["script"], checkout, *defaults["paths"], SETTINGS=defaults["settings"]).returncode


def jenkins_stage(checkout: Path) -> int:
    return shell("\n".join(re.findall(r"sh '([^']*)'", shown("jenkins", "Jenkinsfile"))), checkout).returncode


def github_action(checkout: Path) -> int:
    """The steps that check; the one that installs has a test of its own."""
    action = yaml.safe_load((CI / "github" / "action.yml").read_text(encoding="utf-8"))
    defaults = {name: str(each["default"]) for name, each in action["inputs"].items()}
    status = 0
    for step in action["runs"]["steps"][1:]:
        variables = {key: defaults[value.split("inputs.")[1].rstrip(" }")] for key, value in step["env"].items()}
        status = status or shell(step["run"], checkout, name="bash", **variables).returncode
    return status


def flux_overlays(checkout: Path) -> int:
    overlay = checkout / "clusters" / "live"
    overlay.mkdir(parents=True)
    for file in (checkout / "deploy").iterdir():
        pod = yaml.safe_load(file.read_text(encoding="utf-8"))
        pod["metadata"] = {"name": file.stem}  # kustomize wants a name
        (overlay / file.name).write_text(yaml.safe_dump(pod), encoding="utf-8")
    names = [file.name for file in (checkout / "deploy").iterdir()]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"resources": names}), encoding="utf-8")
    return shell(shown("flux", "check-overlays.sh"), checkout).returncode


RUNS: Mapping[str, Callable[[Path], int]] = {
    "github action": github_action,
    "gitlab template": gitlab_template,
    "gitlab alone": gitlab_alone,
    "tekton task": tekton_task,
    "jenkins": jenkins_stage,
    "flux": flux_overlays,
}


@pytest.mark.programs
@pytest.mark.parametrize("system", RUNS)
@pytest.mark.parametrize("denied", [False, True], ids=["allowed", "denied"])
def test_the_pipeline_is_green_only_for_what_is_allowed(system: str, denied: bool, checkout: Path) -> None:
    if denied:
        shutil.copy(DENIED, checkout / "deploy")
    assert RUNS[system](checkout) == (1 if denied else 0)


@pytest.mark.programs
@pytest.mark.parametrize("system", ["github action", "gitlab template", "gitlab alone", "jenkins"])
def test_reports_are_where_the_system_looks_for_them(system: str, checkout: Path) -> None:
    RUNS[system](checkout)
    wanted = {"github action": ["images.sarif"], "jenkins": ["images.xml"]}.get(system, ["quality.json", "images.xml"])
    assert [name for name in wanted if not (checkout / name).stat().st_size] == []


@pytest.mark.programs
def test_an_input_is_no_command(checkout: Path) -> None:
    """Values of inputs come from whoever writes a pipeline: they are names of files and nothing else."""
    action = yaml.safe_load((CI / "github" / "action.yml").read_text(encoding="utf-8"))
    step = action["runs"]["steps"][-1]
    hostile = {"SETTINGS": "policies/imagegate.yaml", "PATHS": "deploy/\n$(touch made)\n--help", "SARIF": "a b;c.sarif"}
    done = shell(step["run"], checkout, name="bash", **hostile)
    assert done.returncode == 2
    assert "--help: no such file" in done.stderr.replace("\n", " ")
    assert not (checkout / "made").exists()
    assert not re.search(r"\$\{\{(?! *inputs)", (CI / "github" / "action.yml").read_text(encoding="utf-8"))
    assert "${{" not in "".join(each["run"] for each in action["runs"]["steps"])


@pytest.mark.programs
@pytest.mark.timeout(600)
def test_the_github_action_installs_from_its_own_sources(tmp_path: Path) -> None:
    action = yaml.safe_load((CI / "github" / "action.yml").read_text(encoding="utf-8"))
    sources = tmp_path / "sources"
    names = ("setup.cfg", "setup.py", "pyproject.toml", "LICENSE", "README.md")
    for name in ("imagegate", "config", "openshift", "ci", "requirements", "docs/man"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in names:
        shutil.copy(ROOT / name, sources)
    on_path = tmp_path / "path"
    variables = {
        "PATH": f"{Path(sys.base_prefix, 'bin')}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_ACTION_PATH": str(sources / "ci" / "github"),
        "GITHUB_PATH": str(on_path),
    }
    command = ["bash", "-eo", "pipefail", "-c", action["runs"]["steps"][0]["run"]]
    subprocess.run(command, env={**os.environ, **variables}, check=True, timeout=500)
    (folder,) = on_path.read_text(encoding="utf-8").splitlines()
    assert "version" in run([Path(folder) / "imagegate", "--version"]).stdout


def argo_cd_plugin(checkout: Path) -> subprocess.CompletedProcess[str]:
    plugin = yaml.safe_load(shown("argo-cd", "plugin.yaml"))
    generate = plugin["spec"]["generate"]
    (script,) = generate["args"]
    command = [*generate["command"], script.replace("/policies/", f"{checkout}/policies/")]
    return run(command, cwd=checkout / "deploy", env=ENVIRONMENT, check=False)


@pytest.mark.programs
def test_argo_cd_gets_digests_and_nothing_that_is_denied(checkout: Path) -> None:
    shutil.copy(REWRITTEN, checkout / "deploy")
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"level": "high"}}
    (checkout / "deploy" / "other.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    done = argo_cd_plugin(checkout)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert other in rendered, "what is not printed would be pruned"
    images = [each["spec"]["containers"][0]["image"] for each in rendered if each["kind"] == "Pod"]
    assert len(images) == 2
    assert any("@sha256:" in image for image in images)
    shutil.copy(DENIED, checkout / "deploy")
    done = argo_cd_plugin(checkout)
    assert (done.returncode, done.stdout) == (1, "")
    assert "prohibited by policy" in done.stderr


def test_the_plug_in_is_mounted_where_it_looks(checkout: Path) -> None:
    """The container has the plug-in's file, the policies that it names, and volumes for all of its mounts."""
    patch = yaml.safe_load(shown("argo-cd", "repo-server.yaml"))["spec"]["template"]["spec"]
    (container,) = patch["containers"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    of_argo_cd = {"var-files", "plugins"}
    assert {each["name"] for each in patch["volumes"]} == mounts.keys() - of_argo_cd
    assert mounts["policies"] == "/policies"
    assert mounts["imagegate-plugin"].endswith("/config/plugin.yaml")


SCHEMAS = {
    "github-actions": lambda: (CI / "github" / "action.yml").read_text(encoding="utf-8"),
    "github-workflows": lambda: shown("github-actions", ".github/workflows/images.yml"),
    "gitlab-ci": lambda: shown("gitlab", ".gitlab-ci.yml"),
    "gitlab-ci ": lambda: shown("gitlab", ".gitlab/images.yml"),
    "gitlab-ci  ": lambda: (CI / "gitlab.yml").read_text(encoding="utf-8").partition("---\n")[2],
}
"""Name of the schema -> what must fit it."""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_file_fits_the_schema_of_its_system(schema: str, tmp_path: Path) -> None:
    (tmp_path / "file.yml").write_text(SCHEMAS[schema](), encoding="utf-8")
    run([BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema.strip()}", tmp_path / "file.yml"])


def test_a_workflow_calls_the_action_with_inputs_that_it_has() -> None:
    workflow = yaml.safe_load(shown("github-actions", ".github/workflows/images.yml"))
    (use,) = [each for each in workflow["jobs"]["images"]["steps"] if "imagegate" in each.get("uses", "")]
    place = use["uses"].partition("@")[0].removeprefix("example/imagegate/")
    action = yaml.safe_load((ROOT / place / "action.yml").read_text(encoding="utf-8"))
    assert use["with"].keys() <= action["inputs"].keys()


def test_an_include_gives_inputs_that_the_template_has() -> None:
    (include,) = yaml.safe_load(shown("gitlab", ".gitlab-ci.yml"))["include"]
    spec, document = yaml.safe_load_all((ROOT / include["file"]).read_text(encoding="utf-8"))
    assert include["inputs"].keys() <= spec["spec"]["inputs"].keys()
    used = re.findall(r"\$\[\[ inputs\.(\w+) ]]", yaml.safe_dump(document))
    assert set(used) == spec["spec"]["inputs"].keys()


def test_a_pipeline_gives_parameters_that_the_task_has() -> None:
    task = yaml.safe_load((CI / "tekton-task.yaml").read_text(encoding="utf-8"))
    pipeline = yaml.safe_load(shown("tekton", "pipeline.yaml"))
    (use,) = pipeline["spec"]["tasks"]
    assert use["taskRef"]["name"] == task["metadata"]["name"]
    known = {each["name"]: each.get("type", "string") for each in task["spec"]["params"]}
    assert {each["name"]: "array" if isinstance(each["value"], list) else "string" for each in use["params"]} == known
    assert {each["name"] for each in use["workspaces"]} == {each["name"] for each in task["spec"]["workspaces"]}
    assert set(re.findall(r"\$\(params\.(\w+)", yaml.safe_dump(task["spec"]["steps"]))) == known.keys()


def test_paths_of_flux_exist() -> None:
    documents = list(yaml.safe_load_all(shown("flux", "flux-imagegate.yaml")))
    assert (ROOT / documents[0]["spec"]["path"] / "kustomization.yaml").is_file()
    assert documents[1]["spec"]["dependsOn"] == [{"name": documents[0]["metadata"]["name"]}]


def hooks() -> Iterator[dict[str, Any]]:
    page = (DOCS / "pipelines.md").read_text(encoding="utf-8")
    (block,) = [each for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "repos:" in each]
    for repository in yaml.safe_load(block)["repos"]:
        yield from repository["hooks"]


@pytest.mark.parametrize("denied", [False, True], ids=["allowed", "denied"])
def test_the_hooks_of_pre_commit(denied: bool, checkout: Path) -> None:
    """As pre-commit runs them: the entry, the arguments of the user, and the names of changed files."""
    known = {each["id"]: each for each in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    (hook,) = hooks()
    if denied:
        shutil.copy(DENIED, checkout / "deploy")
    changed = sorted(str(file.relative_to(checkout)) for file in (checkout / "deploy").iterdir())
    assert all(re.search(hook["files"], name) for name in changed)
    words = [*shlex.split(known[hook["id"]]["entry"]), *hook["args"], *changed]
    assert run([BIN / words[0], *words[1:]], cwd=checkout, check=False).returncode == (1 if denied else 0)
