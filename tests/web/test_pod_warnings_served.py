"""kubectl in the dry cluster: a Deployment whose Pods would be denied is stored, with a warning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.support.kubectl import Kubectl
from tests.support.service import CONFIG, serving

WARNING = (
    "Warning: image-policy would deny the Pods of this Deployment: spec.template.spec.containers[0].image: "
    "quay.io/evil/tool:1: this image is prohibited by policy: no rule allows it (resource pods, registry "
    '"quay.io")…'
)


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    directory = tmp_path_factory.mktemp("dry")
    with serving(directory, "--settings", CONFIG / "imagegate.yaml") as service:
        kubectl = Kubectl(directory)
        kubectl.use(f"http://127.0.0.1:{service.running.port}", namespace="default")
        yield kubectl


def deployment(image: str, replicas: int = 1) -> str:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "first", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})


def test_kubectl_prints_the_warning_once_and_the_object_is_stored(dry: Kubectl) -> None:
    done = dry("apply", "-f", "-", text_in=deployment("quay.io/evil/tool:1"))
    assert done.stdout == "deployment.apps/web created\n"
    assert done.stderr.splitlines().count(WARNING) == 1
    assert dry.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"].startswith(
        "quay.io"
    )
    assert WARNING not in dry("apply", "-f", "-", text_in=deployment("quay.io/evil/tool:1", 2)).stderr
    done = dry("apply", "-f", "-", text_in=deployment("docker.io/library/nginx:1"))
    assert (done.stdout, WARNING in done.stderr) == ("deployment.apps/web configured\n", False)
