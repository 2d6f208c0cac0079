"""OpenShift 3.11, chapter 11.5, "Testing the ImagePolicy Admission Plug-in", steps 1 to 7.

A docker-registry on this machine plays Docker Hub; ``imagegate serve`` is the cluster; kubectl is the client. The
chapter's ``oc import-image`` is the ImageStreamImport that ``oc`` would send.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tests.support.certificates import Authority
from tests.support.kubectl import Kubectl
from tests.support.registry import Registry, start_registry
from tests.support.service import CONFIG, Service, serving
from tests.walkthrough.terminal import Terminal

IMAGE = "openshift/image-policy-check:latest"
PODS = "config/examples/pods"
IMAGES_OF_PODS = ("get", "pods", "-o", "custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image")
IMPORT = f"""\
kind: ImageStreamImport
apiVersion: image.openshift.io/v1
metadata:
  name: image-policy-check
spec:
  import: true
  images:
  - from: {{kind: DockerImage, name: {IMAGE}}}
    to: {{name: latest}}
"""


@contextlib.contextmanager
def cluster(directory: Path, *, workers: int = 1) -> Iterator[tuple[Registry, Service]]:
    """What plays Docker Hub, and imagegate with the sample policies."""
    for name in ("registry", "ca", "service"):
        (directory / name).mkdir()
    authority = Authority(directory / "ca")
    with start_registry(directory / "registry", tls=authority) as registry:
        settings = directory / "imagegate.yaml"
        settings.write_text(yaml.safe_dump(_settings(registry, authority)), encoding="utf-8")
        with serving(directory / "service", "--settings", settings, workers=workers) as service:
            yield registry, service


def _settings(registry: Registry, authority: Authority) -> dict[str, object]:
    return {
        "config": str(CONFIG / "master-config.yaml"),
        "store": {"path": "images.db"},
        "registry": {
            "caFile": str(authority.bundle),
            "allowPrivateAddresses": [registry.host],
            "mirrors": [
                {"source": "docker.io", "mirrors": [registry.host], "use": "any", "neverContactSource": True},
            ],
        },
    }


def walk(directory: Path, say: Callable[[str], None]) -> None:
    """Do all steps.

    Raises:
        UnexpectedOutcome: a step did not do what the chapter says.
    """
    with cluster(directory) as (registry, service):
        digest = registry.push_sample("tiny-docker", IMAGE)
        kubectl = Kubectl(directory)
        kubectl.use(f"http://127.0.0.1:{service.running.port}")
        steps(Terminal(kubectl, say), digest)


def steps(terminal: Terminal, digest: str) -> None:
    """Steps 1 to 7 of the chapter.

    Args:
        digest: of the image.
    """
    terminal.title("1. Import the image into an image stream")
    terminal.run("create", "-f", "-", text_in=IMPORT, expect="image-policy-check created")
    terminal.run("get", "imagestreams", expect="172.30.1.1:5000/default/image-policy-check")
    terminal.title("2. A pod from Docker Hub is created")
    terminal.run("create", "-f", f"{PODS}/step-2-docker-hub.yaml", expect="created")
    terminal.title("3. A pod from another registry is rejected")
    terminal.run(
        "create",
        "-f",
        f"{PODS}/step-3-other-registry.yaml",
        fails=True,
        expect='The Pod "" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy',
    )
    terminal.title("4. A pod with the imported image is created, with a digest in place of the tag")
    terminal.run("create", "-f", f"{PODS}/step-4-internal-registry.yaml", expect="created")
    terminal.run(*IMAGES_OF_PODS, expect=f"openshift/image-policy-check@{digest}")
    terminal.title("5. A pod with a tag that was not imported is created with the tag unmodified")
    terminal.run("create", "-f", f"{PODS}/step-5-unknown-tag.yaml", expect="created")
    terminal.run(*IMAGES_OF_PODS, expect="172.30.1.1:5000/default/image-policy-check:v1")
    terminal.title("6. Get the digest and flag the image")
    terminal.run("get", "istag/image-policy-check:latest", expect=digest)
    terminal.run(
        "annotate",
        f"images/{digest}",
        "images.openshift.io/deny-execution=true",
        expect=f"image.image.openshift.io/{digest} annotated",
    )
    terminal.title("7. The pod of step 4 is rejected now")
    terminal.run(
        "create",
        "-f",
        f"{PODS}/step-4-internal-registry.yaml",
        fails=True,
        expect='this image is prohibited by policy: rejected by rule "execution-denied"',
    )
