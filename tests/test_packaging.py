"""What is installed, what the container takes, and that the build files say what they should."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from imagegate import __version__

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT = re.compile(r"[A-Za-z0-9_.-]+(\[[a-z]+\])? >=[0-9.]+,<[0-9.]+")


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as setuptools would put it into a wheel."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    for name in ("imagegate", "openshift", "tests/support"):
        if (ROOT / name).exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=100)
    return target


def test_everything_of_the_package_is_installed(built: Path) -> None:
    def files(folder: Path) -> set[str]:
        found = {str(path.relative_to(folder)) for path in (folder / "imagegate").rglob("*") if path.is_file()}
        return {name for name in found if "__pycache__" not in name}

    assert files(built) == files(ROOT)


def test_nothing_else_is_installed(built: Path) -> None:
    assert [path.name for path in built.iterdir()] == ["imagegate"]


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of an environment with imagegate installed as from a wheel, outside of any checkout."""
    prefix = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True, timeout=60)
    (library,) = prefix.glob("lib/python*/site-packages")
    shutil.copytree(built, library, dirs_exist_ok=True)
    (library / "requirements.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return prefix


def data_files() -> dict[Path, list[Path]]:
    """Folder below the prefix -> files of the checkout that are installed there."""
    found: dict[Path, list[Path]] = {}
    for line in raw_section("options.data_files").splitlines():
        folder, equals, pattern = line.partition(" = ")
        if equals and not line.startswith("#"):
            found[Path(folder)] = sorted(ROOT.glob(pattern))
    return found


def run_outside(prefix: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("IMAGEGATE_", "PYTHON"))}
    command = [str(prefix / "bin" / "python"), *arguments]
    return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)


_SAMPLE_SETTINGS = """
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments
chosen = StartupOptions(samples=True)
print(chosen.settings().config)
print(*(each.plugin.name for each in PolicyDocuments(chosen).load().plugins))
"""


def test_an_installed_package_has_the_samples(installed: Path, tmp_path: Path) -> None:
    for folder, files in data_files().items():
        assert files, folder
        (installed / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(file, installed / folder)
    done = run_outside(installed, tmp_path, "-c", _SAMPLE_SETTINGS)
    assert done.returncode == 0, done.stderr
    config, plugins = done.stdout.splitlines()
    assert config == str(installed / "share" / "imagegate" / "master-config.yaml")
    assert len(plugins.split()) > 1
    shutil.rmtree(installed / "share" / "imagegate")
    done = run_outside(installed, tmp_path, "-m", "imagegate", "serve")
    assert done.returncode == 2
    assert f"the samples are not in {installed / 'share' / 'imagegate'}: name some with --config" in done.stderr


def test_manifests_do_not_shadow_the_client_library() -> None:
    assert not (ROOT / "openshift" / "__init__.py").exists()


def requirements(text: str) -> list[tuple[str, str]]:
    """(reason, requirement) for each line; one reason may stand above several lines."""
    reason, found = "", []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#"):
            reason = line
        elif line:
            found.append((reason, line))
    return found


def raw_section(name: str) -> str:
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    found = re.search(rf"^\[{re.escape(name)}\]$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_every_requirement_is_bounded_and_has_a_reason() -> None:
    needed = re.search(r"install_requires =\n((?:[ #].*\n)+)", raw_section("options"))
    assert needed
    extras = re.sub(r"^[a-z]+ =$", "", raw_section("options.extras_require"), flags=re.MULTILINE)
    found = requirements(needed[1]) + requirements(extras)
    assert len(found) > 20
    assert [text for _, text in found if not REQUIREMENT.fullmatch(text)] == []
    assert [text for reason, text in found if not reason] == []


def test_pyproject_holds_tools_only(setup_cfg: configparser.ConfigParser) -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(document) == {"build-system", "tool"}
    assert setup_cfg["metadata"]["version"] == "attr: imagegate.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) of each line, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return [(instruction, arguments.strip()) for instruction, _, arguments in lines]


def test_what_the_container_copies_exists_and_is_sent() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        source
        for instruction, arguments in dockerfile()
        if instruction == "COPY" and not arguments.startswith("--from=")
        for source in arguments.split()[:-1]
    ]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if f"!{source}" not in sent] == []


def test_the_container_runs_as_no_particular_user() -> None:
    users = [arguments for instruction, arguments in dockerfile() if instruction == "USER"]
    assert users[-1] == "10001:0"
    last_stage = [index for index, (instruction, _) in enumerate(dockerfile()) if instruction == "FROM"][-1]
    assert any(instruction == "USER" for instruction, _ in dockerfile()[last_stage:])


def test_the_container_has_one_base_and_the_version_of_the_program() -> None:
    assert {arguments.split()[0] for instruction, arguments in dockerfile() if instruction == "FROM"} == {"${BASE}"}
    assert ("ARG", f"VERSION={__version__}") in dockerfile()


def pinned(name: str) -> dict[str, str]:
    """Package -> version of one of the files that `make lock` writes; every entry must have hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            entry, *hashes = line.split("--hash=sha256:")
            assert hashes, f"{entry}: no hash"
            package, _, version = entry.partition(";")[0].strip().partition("==")
            found[package] = version
    return found


def wanted(section: str, key: str) -> list[Requirement]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser[section][key].splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(
    "name, extras", [("run", ()), ("image", ("otel",)), ("test", ("test",)), ("dev", ("test", "dev", "granian"))]
)
def test_pinned_versions_are_what_setup_cfg_allows(name: str, extras: tuple[str, ...]) -> None:
    versions = pinned(name)
    needed = wanted("options", "install_requires")
    for extra in extras:
        needed += wanted("options.extras_require", extra)
    wrong = [str(each) for each in needed if not each.specifier.contains(versions.get(canonical(each.name), "0"))]
    assert wrong == [], "run `make lock`"
    assert "setuptools" in versions  # builds the package itself without asking a registry


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_all_environments_have_the_same_versions() -> None:
    run, image, test, dev = (pinned(name) for name in ("run", "image", "test", "dev"))
    assert run.items() <= image.items() <= test.items() <= dev.items()


def test_only_pinned_versions_are_installed() -> None:
    commands = [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "install" in line]
    commands += [arguments for instruction, arguments in dockerfile() if instruction == "RUN"]
    installs = [
        part for line in commands for part in line.split("&&") if "pip install" in part or "$(PIP) install" in part
    ]
    assert len(installs) == 4
    assert [part for part in installs if "--require-hashes -r" not in part and "--no-deps" not in part] == []


@pytest.mark.parametrize(
    "target", ["run", "check", "test", "lint", "bench", "bench-report", "dev", "lock", "conformance", "clean"]
)
def test_make_knows_its_targets(target: str) -> None:
    make = shutil.which("make")
    assert make
    done = subprocess.run([make, "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_the_quick_loop_installs_no_system_package_and_runs_no_real_program() -> None:
    make = shutil.which("make")
    assert make
    done = subprocess.run([make, "-n", "check"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert "tests/system-packages.txt" not in done.stdout
    (tests,) = [line for line in done.stdout.splitlines() if "-m pytest" in line]
    assert "-m 'not programs'" in tests
    folders = re.findall(r" (tests/\w+)", tests)
    assert len(folders) > 5
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


def test_no_package_is_installed_when_all_commands_are_there(tmp_path: Path) -> None:
    listed = tmp_path / "packages.txt"
    listed.write_text("# comment\ncoreutils ls cat\nsh sh  # the shell\n", encoding="utf-8")
    script = ROOT / "tests" / "system-packages.sh"
    done = subprocess.run(["sh", str(script), str(listed)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_package_that_cannot_be_installed_is_an_error(tmp_path: Path) -> None:
    listed = tmp_path / "packages.txt"
    listed.write_text("no-such-package no-such-command\ncoreutils ls\n", encoding="utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "sed", "id", "ls"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    script = ROOT / "tests" / "system-packages.sh"
    done = subprocess.run(
        ["sh", str(script), str(listed)],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "missing: no-such-package" in done.stderr
