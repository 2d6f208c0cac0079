"""``imagegate image`` against a running API and against the store on this machine: the same outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.cli.image.output import ImportProgress
from imagegate.cli.main import main
from tests.support.certificates import Authority
from tests.support.image_api import served
from tests.support.registry import Registry
from tests.support.service import CONFIG
from tests.walkthrough.document_004 import IMAGE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings(tmp_path: Path, ca: Authority, registry_tls: Registry) -> Path:
    """Settings with a store, the sample policies, and a registry that plays Docker Hub."""
    mirror = {"source": "docker.io", "mirrors": [registry_tls.host], "use": "any", "neverContactSource": True}
    document = {
        "config": str(CONFIG / "master-config.yaml"),
        "store": {"path": str(tmp_path / "images.db")},
        "registry": {"caFile": str(ca.bundle), "allowPrivateAddresses": [registry_tls.host], "mirrors": [mirror]},
    }
    path = tmp_path / "imagegate.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(params=["local", "remote"])
def run(request: pytest.FixtureRequest, settings: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs ``imagegate image ...``; gives exit code, output and error output."""

    def running(*where: str) -> Run:
        def asked(*arguments: str) -> tuple[int, str, str]:
            code = main(["image", *arguments, *where])
            shown = capsys.readouterr()
            return code, shown.out, shown.err

        return asked

    if request.param == "local":
        yield running("--settings", str(settings))
        return
    from imagegate.web.app import create_app
    from imagegate.web.metrics import Metrics
    from imagegate.wiring.choices import StartupOptions
    from imagegate.wiring.runtime import build

    service = build(StartupOptions(settings_file=settings), keeps_images=True)
    with served(create_app(service, Metrics())) as url:
        yield running("--server", url)


@pytest.fixture
def pushed(registry_tls: Registry) -> str:
    """The digest of the manual's image in what plays Docker Hub."""
    return registry_tls.push_sample("tiny-docker", IMAGE)


def test_import_list_show(run: Run, pushed: str) -> None:
    code, out, err = run("import", IMAGE)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"openshift/image-policy-check@{pushed}",
        "imagestream.image.openshift.io/image-policy-check imported",
    ]
    assert run("list")[1].splitlines()[1].split()[:3] == [
        "image-policy-check",
        "172.30.1.1:5000/default/image-policy-check",
        "latest",
    ]
    assert run("list", "--tags", "-A")[1].splitlines()[1].split()[:2] == ["default", "image-policy-check:latest"]
    assert pushed in run("list", "--images")[1]
    assert json.loads(run("list", "--images", "-o", "json")[1])["items"][0]["metadata"]["name"] == pushed
    assert (
        yaml.safe_load(run("show", "image-policy-check:latest", "-o", "yaml")[1])["image"]["metadata"]["name"] == pushed
    )
    assert pushed in run("show", pushed)[1]


def test_import_of_what_is_not_there(run: Run, pushed: str) -> None:
    code, out, err = run("import", "openshift/image-policy-check:none", "--to", "app")
    assert (code, out) == (1, "")
    assert err.strip() == (
        'error: none failed: dockerimage.image.openshift.io "docker.io/openshift/image-policy-check:none" not found'
    )
    assert "none: import failed (NotFound)" in run("show", "app")[1]


def test_import_of_all_tags(run: Run, pushed: str, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-docker", "openshift/image-policy-check:v2")
    code, out, _ = run("import", "openshift/image-policy-check", "--all", "--to", "all")
    assert code == 0
    assert len(out.splitlines()) >= 3
    assert "v2" in run("show", "all")[1]


def test_dry_run_writes_nothing(run: Run, pushed: str) -> None:
    code, out, _ = run("import", IMAGE, "--dry-run")
    assert code == 0
    assert pushed in out
    assert "imported" not in out
    assert len(run("list")[1].splitlines()) == 1


def test_the_import_list_refuses(run: Run) -> None:
    code, out, err = run("import", "quay.io/a/b")
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == 'The ImageStream "b" is invalid:'
    assert err.splitlines()[1].startswith('* spec.tags[latest].from.name: Forbidden: registry "quay.io" not allowed by')
    code, _, err = run("tag", "quay.io/a/b:1", "app:v1")
    assert code == 1
    assert err.startswith('The ImageStreamTag "app:v1" is invalid: tag.from.name: Forbidden: registry "quay.io"')


def test_tag_and_untag(run: Run, pushed: str) -> None:
    run("import", IMAGE)
    code, out, _ = run("tag", "image-policy-check:latest", "copy:one", "copy:two")
    assert code == 0
    assert out.splitlines() == [
        f"Tag copy:one set to image-policy-check@{pushed}.",
        f"Tag copy:two set to image-policy-check@{pushed}.",
    ]
    assert pushed in run("show", "copy:one")[1]
    assert run("tag", "--alias", "copy:one", "copy:three")[0] == 0
    assert run("tag", "--reference", "docker.io/library/x:1", "copy:reference")[0] == 0
    assert run("tag", "-d", "copy:one")[1].strip() == "Deleted tag default/copy:one."
    code, _, err = run("tag", "-d", "copy:one")
    assert (code, err.strip()) == (
        1,
        'Error from server (NotFound): imagestreamtags.image.openshift.io "copy:one" not found',
    )
    assert run("tag", "none:latest", "copy:four")[0] == 1


def test_annotate(run: Run, pushed: str) -> None:
    run("import", IMAGE)
    code, out, _ = run("annotate", "image-policy-check:latest", "images.openshift.io/deny-execution=true")
    assert (code, out.strip()) == (0, f"image.image.openshift.io/{pushed} annotated")
    shown = json.loads(run("show", pushed, "-o", "json")[1])
    assert shown["metadata"]["annotations"]["images.openshift.io/deny-execution"] == "true"
    assert run("annotate", pushed, "images.openshift.io/deny-execution=false")[0] == 2
    assert run("annotate", pushed, "images.openshift.io/deny-execution=false", "--overwrite")[0] == 0
    assert run("annotate", pushed, "images.openshift.io/deny-execution-")[0] == 0
    shown = json.loads(run("show", pushed, "-o", "json")[1])
    assert "images.openshift.io/deny-execution" not in shown["metadata"]["annotations"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["import", "A"], "A: repository name must be lowercase"),
        (["import", "quay.io"], "has no image name"),
        (["tag", "a:b"], "name at least one STREAM:TAG"),
        (["tag", "docker.io/a:b", "c"], "must be retrieved with <name>:<tag>"),
        (["annotate", "x:y", "novalue"], "expected KEY=VALUE or KEY-"),
        (["list", "--server", "localhost"], "expected a URL"),
        (
            ["list", "--server", "http://127.0.0.1:1"],
            "cannot be reached: [Errno 111] Connection refused; is imagegate serving",
        ),
    ],
)
def test_usage(arguments: list[str], message: str, settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = [] if "--server" in arguments else ["--settings", str(settings)]
    assert main(["image", *arguments, *where]) == 2
    assert message in capsys.readouterr().err


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ImportProgress() as progress:
        progress(0, 5, "a")
        progress(5, 5, "")
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ImportProgress() as progress:
        progress(0, 5, "docker.io/a/b:1")
        progress(4, 5, "docker.io/a/b:5")
        assert progress._bar.tasks[0].completed == 4
        assert progress._bar.tasks[0].description == "docker.io/a/b:5"


def test_a_reference_policy_in_words_counts_on_a_tag_that_exists(run: Run, pushed: str) -> None:
    def policy() -> Any:
        return json.loads(run("show", "app", "-o", "json")[1])["spec"]["tags"][0]["referencePolicy"]["type"]

    said = [f"openshift/image-policy-check@{pushed}", "imagestream.image.openshift.io/app imported"]
    for options, expected in (
        (("--reference-policy", "local"), "Local"),
        ((), "Local"),
        (("--reference-policy", "source", "--dry-run"), "Local"),
        (("--reference-policy", "source"), "Source"),
        ((), "Source"),
        (("--reference-policy", "local"), "Local"),
    ):
        code, out, err = run("import", IMAGE, "--to", "app:v1", *options)
        assert (code, out.splitlines(), err) == (0, said[:1] if "--dry-run" in options else said, "")
        assert policy() == expected
    run("import", "openshift/image-policy-check", "--all", "--to", "app", "--reference-policy", "source")
    policies = {each["name"]: each["referencePolicy"]["type"] for each in tags(run, "app")}
    assert (policies["v1"], policies["latest"]) == ("Local", "Source")


def tags(run: Run, stream: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("show", stream, "-o", "json")[1])["spec"]["tags"]
    return found
