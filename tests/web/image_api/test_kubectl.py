"""Real kubectl against the API over HTTP."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.image_api import INTEGRATED, Api, served
from tests.support.image_objects import DIGEST_1, event, image, spec_tag
from tests.support.kubectl import Kubectl
from tests.support.programs import program
from tests.walkthrough.document_004 import IMAGES_OF_PODS
from tests.web.image_api.test_oc import put_stream

STREAM = """\
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {{name: two, labels: {{x: "{label}"}}}}
spec: {{lookupPolicy: {{local: true}}}}
"""


@pytest.fixture
def asked(api: Api, tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl in the project ``test``, in which ``app:latest`` is imported."""
    put_stream(api, "test", "app", {"latest": [event(DIGEST_1, f"openshift/app@{DIGEST_1}")]})
    with served(api.app) as url:
        kubectl = Kubectl(tmp_path)
        kubectl.use(url, namespace="test")
        yield kubectl


def test_api_resources_with_their_short_names(asked: Kubectl) -> None:
    lines = asked("api-resources", "--api-group=image.openshift.io").stdout.splitlines()
    shown = {line.split()[0]: line.split() for line in lines[1:]}
    assert shown["imagestreams"] == ["imagestreams", "is", "image.openshift.io/v1", "true", "ImageStream"]
    assert shown["imagestreamtags"][1] == "istag"
    assert shown["images"] == ["images", "image.openshift.io/v1", "false", "Image"]


def test_get(asked: Kubectl) -> None:
    streams = asked("get", "is").stdout.splitlines()
    assert streams[0].split() == ["NAME", "IMAGE", "REPOSITORY", "TAGS", "UPDATED"]
    assert streams[1].split()[:3] == ["app", f"{INTEGRATED}/test/app", "latest"]
    assert DIGEST_1 not in asked("get", "istag").stdout.replace(f"@{DIGEST_1}", "")
    assert asked("get", "istag", "-o", "wide").stdout.splitlines()[1].split()[-1] == DIGEST_1
    assert asked("get", "istag/app:latest", "-o", "jsonpath={.image.metadata.name}").stdout == DIGEST_1
    assert asked("get", "images", "-o", "name").stdout.strip() == f"image.image.openshift.io/{DIGEST_1}"
    assert asked("get", "is", "-A").stdout.splitlines()[1].split()[0] == "test"
    missing = asked("get", "is/none", check=False)
    assert missing.stderr.strip() == 'Error from server (NotFound): imagestreams.image.openshift.io "none" not found'


def test_describe(asked: Kubectl) -> None:
    for what in ("is/app", "istag/app:latest", f"images/{DIGEST_1}"):
        assert (
            f"openshift/app@{DIGEST_1}" in asked("describe", what).stdout or "quay.io" in asked("describe", what).stdout
        )


def test_annotate_and_label(asked: Kubectl) -> None:
    done = asked("annotate", f"images/{DIGEST_1}", "images.openshift.io/deny-execution=true")
    assert done.stdout.strip() == f"image.image.openshift.io/{DIGEST_1} annotated"
    kept = asked("annotate", f"images/{DIGEST_1}", "images.openshift.io/deny-execution=false", check=False)
    assert "--overwrite is false" in kept.stderr
    asked("label", "is/app", "team=a")
    assert asked("get", "is", "-l", "team=a", "-o", "name").stdout.strip() == "imagestream.image.openshift.io/app"
    assert asked("get", "is", "-l", "team=b").stdout == ""


def test_patch(asked: Kubectl) -> None:
    asked("patch", "is/app", "-p", '{"spec":{"lookupPolicy":{"local":true}}}')
    asked("patch", "is/app", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    asked("patch", "is/app", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/a"}]')
    found = asked.json("get", "is/app")
    assert found["spec"]["lookupPolicy"] == {"local": True}
    assert "labels" not in found["metadata"]
    asked("patch", "istag/app:latest", "-p", '{"tag":' + str(spec_tag("latest", "quay.io/a/b")).replace("'", '"') + "}")
    assert asked.json("get", "is/app")["spec"]["tags"][0]["from"]["name"] == "quay.io/a/b"


def test_apply(asked: Kubectl) -> None:
    assert "created" in asked("apply", "-f", "-", text_in=STREAM.format(label="1")).stdout
    assert "unchanged" in asked("apply", "-f", "-", text_in=STREAM.format(label="1")).stdout
    assert "configured" in asked("apply", "-f", "-", text_in=STREAM.format(label="2")).stdout
    assert asked.json("get", "is/two")["metadata"]["labels"] == {"x": "2"}
    misspelt = STREAM.format(label="1").replace("lookupPolicy", "lookupPolcy").replace("two", "three")
    refused = asked("apply", "-f", "-", text_in=misspelt, check=False)
    assert 'unknown field "spec.lookupPolcy"' in refused.stderr


def test_server_side_apply(asked: Kubectl) -> None:
    def apply(label: str, *options: str, check: bool = True, text: str = STREAM) -> str:
        done = asked("apply", "--server-side", *options, "-f", "-", text_in=text.format(label=label), check=check)
        return done.stdout if check else done.stderr

    assert "serverside-applied" in apply("1")
    version = asked.json("get", "is/two")["metadata"]["resourceVersion"]
    assert "serverside-applied" in apply("1")
    assert asked.json("get", "is/two")["metadata"]["resourceVersion"] == version
    assert "serverside-applied" in apply("2")
    assert 'conflict with "kubectl": .metadata.labels.x' in apply("3", "--field-manager=other", check=False)
    assert "serverside-applied" in apply("3", "--field-manager=other", "--force-conflicts")
    assert asked.json("get", "is/two")["metadata"]["labels"] == {"x": "3"}
    assert "serverside-applied" in apply("", text=STREAM.replace("labels", "annotations"))
    found = asked.json("get", "is/two", "--show-managed-fields")["metadata"]
    assert found["labels"] == {"x": "3"}
    assert [entry["manager"] for entry in found["managedFields"]] == ["kubectl", "other"]
    assert "serverside-applied" in apply("", "--field-manager=other", text=STREAM.replace("labels", "annotations"))
    assert "labels" not in asked.json("get", "is/two")["metadata"]


def test_dry_run(asked: Kubectl) -> None:
    asked("apply", "--dry-run=server", "-f", "-", text_in=STREAM.format(label="1"))
    asked("delete", "--dry-run=server", "is/app")
    assert asked("get", "is", "-o", "name").stdout.split() == ["imagestream.image.openshift.io/app"]


def test_explain(asked: Kubectl) -> None:
    assert "tags map arbitrary string values" in asked("explain", "is.spec").stdout
    assert "-required-" in asked("explain", "imagestreams.spec.tags").stdout
    assert "FIELDS:" in asked("explain", "istag").stdout
    assert "dockerImageReference" in asked("explain", "images").stdout
    assert "KIND:       Pod" in asked("explain", "pods").stdout
    assert "<[]ContainerPort>" in asked("explain", "deployment.spec.template.spec.containers").stdout
    assert "dockerStrategy" in asked("explain", "bc.spec.strategy").stdout


def test_delete(asked: Kubectl) -> None:
    assert "deleted" in asked("delete", "istag/app:latest").stdout
    assert "deleted" in asked("delete", "is/app").stdout
    assert "deleted" in asked("delete", f"images/{DIGEST_1}").stdout
    assert asked("get", "is,istag,images").stdout == ""


def test_watch(asked: Kubectl, api: Api) -> None:
    command = [program("kubectl"), "get", "is", "--watch-only", "--output-watch-events"]
    with subprocess.Popen(command, env=asked._env, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        waiting = time.monotonic() + 30
        number, line = 0, ""
        while not line:  # until kubectl watches
            assert time.monotonic() < waiting
            api.post("namespaces/test/imagestreams", {"metadata": {"name": f"new-{number}"}})
            number += 1
            time.sleep(0.3)
            line = watching.stdout.readline() if number > 3 else ""
        header, first = line.split(), watching.stdout.readline().split()
        assert header[:2] == ["EVENT", "NAME"]
        assert first[0] == "ADDED"
        asked("delete", "is/app")
        events = [first]
        while events[-1][0] != "DELETED":
            events.append(watching.stdout.readline().split())
        assert events[-1][:2] == ["DELETED", "app"]
        watching.terminate()


def test_the_walk_through_of_pods(asked: Kubectl) -> None:
    """The manual's chapter 11.5, steps 2, 3, 4, 6 and 7 (docs/spec/image-policy.md 11)."""

    def pod(image_: str) -> str:
        return (
            "apiVersion: v1\nkind: Pod\nmetadata: {generateName: test-pod}\n"
            f"spec: {{containers: [{{image: '{image_}', name: first}}]}}\n"
        )

    created = asked("create", "-f", "-", text_in=pod("docker.io/openshift/image-policy-check:latest"))
    assert "created" in created.stdout
    assert "Warning: imagegate is a dry cluster" in created.stderr
    other = asked("create", "-f", "-", text_in=pod("different-registry/openshift/app:latest"), check=False)
    assert other.returncode == 1
    assert other.stderr.startswith(
        'The Pod "" is invalid: spec.containers[0].image: Forbidden: this image is prohibited'
    )
    internal = f"{INTEGRATED}/test/app:latest"
    asked("create", "-f", "-", text_in=pod(internal))
    assert f"openshift/app@{DIGEST_1}" in asked(*IMAGES_OF_PODS).stdout
    asked("annotate", f"images/{DIGEST_1}", "images.openshift.io/deny-execution=true")
    denied = asked("create", "-f", "-", text_in=pod(internal), check=False)
    assert denied.stderr.strip() == (
        'The Pod "" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy: '
        'rejected by rule "execution-denied"'
    )


def test_as_an_ordinary_user(asked: Kubectl, api: Api) -> None:
    shown = asked("get", "is", "--as", "developer", "--as-group", "team")
    assert "app" in shown.stdout
    assert image(DIGEST_1)["metadata"]["name"] in asked("get", "images", "--as", "developer").stdout
