"""imagegate itself as the program under test."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.figures import WrongAnswer
from bench.load import is_allowed
from bench.servers import BIN, ROOT, SERVER_CPU, Server, free_port, running

NAMESPACE = "shop"
POLICY = ROOT / "config" / "master-config.yaml"


def digest_of(text: str) -> str:
    """Some digest that belongs to ``text``."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def stream(name: str, tags: Sequence[str], namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """An image stream with a tag for each name, and the images of the tags."""
    meta = {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}
    images, history = [], []
    for tag in tags:
        digest = digest_of(f"{namespace}/{name}:{tag}")
        reference = f"docker.io/{namespace}/{name}@{digest}"
        images.append(
            {
                "apiVersion": "image.openshift.io/v1",
                "kind": "Image",
                "metadata": {"name": digest, "creationTimestamp": "2026-01-01T00:00:00Z"},
                "dockerImageReference": reference,
                "dockerImageMetadata": {"Config": {"Labels": {"version": tag}}},
                "dockerImageMetadataVersion": "1.0",
            }
        )
        event = {"created": "2026-01-01T00:00:00Z", "dockerImageReference": reference, "image": digest, "generation": 1}
        history.append({"tag": tag, "items": [event]})
    spec = {
        "lookupPolicy": {"local": True},
        "tags": [
            {
                "name": tag,
                "from": {"kind": "DockerImage", "name": f"docker.io/{namespace}/{name}:{tag}"},
                "generation": 1,
            }
            for tag in tags
        ],
    }
    document = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": meta, "spec": spec}
    return [{**document, "status": {"dockerImageRepository": "", "tags": history}}, *images]


def write_images(path: Path, objects: Sequence[dict[str, Any]]) -> Path:
    """The objects as one List."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    return path


@contextlib.contextmanager
def serving(
    name: str,
    directory: Path,
    *options: str | Path,
    workers: int = 1,
    cpus: Sequence[int] | None = (SERVER_CPU,),
) -> Iterator[Server]:
    """``imagegate serve OPTIONS`` on a free port; log lines and metrics on, as shipped."""
    port = free_port()
    command: list[str | Path] = [BIN / "imagegate", "serve", "--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    env = {"XDG_STATE_HOME": str(directory / f"{name}-state")}  # a store of its own, not the user's
    with running(name, [*command, *options], port=port, env=env, cpus=cpus, log=directory / f"{name}.log") as server:
        yield server


def rewrites_to(reference: str, count: int = 1) -> Any:
    """A check: allowed, with a patch that puts ``reference`` into ``count`` images."""

    def check(review: dict[str, Any], answer: dict[str, Any]) -> str | None:
        wrong = is_allowed(review, answer)
        if wrong:
            return wrong
        patch = orjson.loads(base64.b64decode(answer["response"].get("patch", "W10=")))
        values = [operation.get("value") for operation in patch]
        return None if values.count(reference) == count else f"patch is {patch}"

    return check


def is_denied(review: dict[str, Any], answer: dict[str, Any]) -> str | None:
    """The answer is to this review, and denies it with a reason."""
    response = answer["response"]
    if response["uid"] != review["request"]["uid"]:
        return "another uid"
    return None if response["allowed"] is False and response["status"]["message"] else "not denied with a reason"


def must(holds: bool, what: str) -> None:
    """Raise unless ``holds``.

    Raises:
        WrongAnswer: it does not.
    """
    if not holds:
        raise WrongAnswer(what)
