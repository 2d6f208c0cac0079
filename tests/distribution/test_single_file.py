"""The single file: the same bytes from the same sources, and every command works without a network, pip or a venv."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distribution import single_file
from tests.support.processes import free_port, started
from tests.support.service import CONFIG, ROOT

pytestmark = [pytest.mark.programs, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    single_file.fetch(folder)
    return folder


@pytest.fixture(scope="module")
def built(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("built") / "imagegate"
    single_file.build(target, wheels)
    return target


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a user with nothing but Python: no packages of this environment, an empty home."""
    path = tmp_path_factory.mktemp("bin")
    (path / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    return {"HOME": str(home), "PATH": f"{path}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path


def run(built: Path, environment: dict[str, str], cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the file in a network namespace without any network, not even the loopback."""
    command = ["unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)), str(built), *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_check_lint_and_explain(built: Path, environment: dict[str, str], checkout: Path) -> None:
    done = run(built, environment, checkout, "check", "--settings", "config/imagegate.yaml", "config/examples/pods")
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith("4 objects: 1 denied, 1 rewritten, 2 allowed\n")
    done = run(built, environment, checkout, "lint", "config/master-config.yaml")
    assert (done.returncode, done.stderr) == (0, "nothing found\n")
    done = run(built, environment, checkout, "explain", "--config", "config/master-config.yaml", "quay.io/team/app:1")
    assert done.returncode == 1
    assert done.stdout.startswith("quay.io/team/app:1 in namespace default: denied\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, built: Path, environment: dict[str, str], checkout: Path) -> None:
    done = run(built, environment, checkout, "completion", shell)
    assert done.returncode == 0
    assert "imagegate" in done.stdout


def test_serve_has_the_samples(built: Path, environment: dict[str, str], checkout: Path) -> None:
    """The samples and the manifests of ``install`` are in the file, too."""
    port = free_port()
    command = [str(built), "serve", "--bind", f"127.0.0.1:{port}"]
    review = checkout / "config/examples/reviews/step-3-other-registry.json"
    with started(command, port=port, log=checkout / "log", env=environment, cwd=checkout):
        answer = subprocess.run(
            [
                "curl",
                "-s",
                "-H",
                "Content-Type: application/json",
                "-d",
                f"@{review}",
                f"http://127.0.0.1:{port}/mutate",
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    assert '"allowed":false' in answer


def test_the_same_sources_give_the_same_bytes(built: Path, wheels: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        single_file.build(tmp_path / "again", wheels)
    finally:
        os.umask(before)
    assert hashlib.sha256((tmp_path / "again").read_bytes()).digest() == hashlib.sha256(built.read_bytes()).digest()


def test_a_wheel_has_manual_pages_and_names_for_kubectl_and_oc(tmp_path: Path) -> None:
    """`pip install` and `pipx install` of a wheel, in an environment that has nothing but pip's own installer."""
    single_file.wheel(tmp_path / "sources", tmp_path / "wheel")
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    prefix = tmp_path / "prefix"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "install",
        "--ignore-installed",
        "--no-deps",
        "--prefix",
        str(prefix),
        str(wheel),
    ]
    subprocess.run(command, check=True, timeout=100)
    assert {file.name for file in (prefix / "share/man/man1").iterdir()} == {
        file.name for file in (ROOT / "docs/man").iterdir()
    }
    assert {"imagegate", "kubectl-imagegate"} <= {file.name for file in (prefix / "bin").iterdir()}
