"""Pods with ordinary and odd images, in every list of containers and in two namespaces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

HEX = "a" * 64
NAMESPACES = ("default", "other")
GOOD = "bar.io/good/app:1"
"""Of the container beside an odd one."""
IMAGES = (
    # Docker Hub in all its spellings
    "nginx",
    "nginx:1",
    "nginx:latest",
    f"nginx@sha256:{HEX}",
    "nginxevil/x:1",
    "library/nginx:1",
    "team/nginx:1",
    "docker.io/nginx:1",
    "docker.io/library/nginx:1",
    "docker.io/team/nginx:1",
    "index.docker.io/library/nginx:1",
    "registry-1.docker.io/library/nginx:1",
    "DOCKER.IO/library/nginx:1",
    "docker.io.evil.org/library/nginx:1",
    "openpolicyagent/opa:0.9.2",
    "openpolicyagent/opa",
    "docker.io/openpolicyagent/opa:0.9.2",
    "openpolicyagentevil/opa:1",
    "kyverno",
    "kyverno/kyverno:1",
    "myknownimage",
    "myknownimage:1",
    # registries: ports, neighbours, names inside of names
    "bar.io/x",
    "bar.io/x:1",
    "bar.io/x:10",
    "bar.io/x:latest",
    "bar.io/x/y:1",
    "bar.io/a/b/c/d:1",
    f"bar.io/x@sha256:{HEX}",
    f"bar.io/x:1@sha256:{HEX}",
    "bar.io:443/x:1",
    "bar.io:5000/x:1",
    "bar.io.evil.org/x:1",
    "evilbar.io/x:1",
    "sub.bar.io/x:1",
    "a.b.bar.io/x:1",
    "evil.org/bar.io/x:1",
    "evil.org/sub.bar.io/x:1",
    "Bar.io/x:1",
    "eu.foo.io/x",
    "eu.foo.io/x:1",
    "eu.foo.io/xy:1",
    f"eu.foo.io/team/x@sha256:{HEX}",
    "us.foo.io/x:1",
    "quay.io/team/app:1",
    "quay.io/team/myknownimage:1",
    "quay.io/x:1",
    "quay.io/application:1",
    "ghcr.io/kyverno/kyverno:latest",
    "k8s.gcr.io/pause:3",
    "k8s.gcr.io:443/pause:3",
    "K8s.gcr.io/pause:3",
    "registry.k8s.io/pause:3",
    "localhost/x:1",
    "localhost:5000/x:1",
    "127.0.0.1:5000/x:1",
    "[::1]:5000/x:1",
    "bar.io/x__y/z.w:v1.2-3_4",
    # names that are no image references, or hardly
    "bar.io/X:1",
    "bar.io",
    "bar.io:1",
    "bar.io/",
    "bar.io//x:1",
    "bar.io/x:",
    "bar.io/x:1:2",
    "bar.io/x@sha256:abc",
    f"bar.io/x@sha512:{HEX}",
    "bar.io/../evil.org/x:1",
    "https://bar.io/x:1",
    " bar.io/x:1",
    "bar.io/x:1 ",
    "bar.io/x:1|quay.io/x:1",
    "bar.io/*",
    "*",
    f"sha256:{HEX}",
    HEX,
    "bar.io/é:1",
    f"bar.io/{'x' * 300}:1",
)


class Tested(NamedTuple):
    """One Pod, and the image that it is about."""

    pod: dict[str, Any]
    image: str

    @property
    def name(self) -> str:
        """Of the Pod."""
        name: str = self.pod["metadata"]["name"]
        return name


def corpus() -> list[Tested]:
    """All Pods, always in the same order."""
    return [Tested(pod, image) for number, image in enumerate(IMAGES) for pod in _pods(number, image)]


def digest(pods: list[Tested]) -> str:
    """Of their content: recordings belong to one corpus."""
    return hashlib.sha256(json.dumps([each.pod for each in pods], sort_keys=True).encode()).hexdigest()[:16]


def _pods(number: int, image: str) -> Iterator[dict[str, Any]]:
    odd, good = {"name": "odd", "image": image}, {"name": "good", "image": GOOD}
    yield _pod(f"p{number}-only", "default", {"containers": [odd]})
    yield _pod(f"p{number}-second", "default", {"containers": [good, odd]})
    yield _pod(f"p{number}-init", "default", {"containers": [good], "initContainers": [odd]})
    yield _pod(f"p{number}-ephemeral", "default", {"containers": [good], "ephemeralContainers": [odd]})
    yield _pod(f"p{number}-other", "other", {"containers": [odd]})


def _pod(name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
