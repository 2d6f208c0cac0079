"""Tags that nobody imports by hand are imported by one of the workers (docs/spec/import-gate.md 6.5)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.service import Service
from tests.walkthrough.document_004 import IMAGE, cluster

BASE = "/apis/image.openshift.io/v1/namespaces/default"


def put_tag(service: Service, name: str, source: str) -> None:
    body = {"metadata": {"name": name}, "tag": {"from": {"kind": "DockerImage", "name": source}}}
    answer = service.ask(
        "PUT", f"{BASE}/imagestreamtags/{name}", json.dumps(body), {"Content-Type": "application/json"}
    )
    assert answer.status in (200, 201), answer.content


def wait_for(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < ends, "nothing was imported"
        time.sleep(0.2)


def test_a_new_tag_is_imported_also_after_the_importing_worker_was_killed(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=2) as (registry, service):
        digest = registry.push_sample("tiny-docker", IMAGE)

        def is_imported(name: str) -> bool:
            answer = service.get(f"{BASE}/imagestreamtags/{name}")
            return answer.status == 200 and answer.json["image"]["metadata"]["name"] == digest

        put_tag(service, "app:v1", IMAGE)
        wait_for(lambda: is_imported("app:v1"))
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: bool(service.workers()))
        put_tag(service, "app:v2", IMAGE)
        wait_for(lambda: is_imported("app:v2"))
        put_tag(service, "app:none", "openshift/none:latest")
        found = service.get(f"{BASE}/imagestreams/app")

        def has_failed() -> bool:
            tags = service.get(f"{BASE}/imagestreams/app").json["status"].get("tags") or []
            return any(tag["tag"] == "none" and tag.get("conditions") for tag in tags)

        wait_for(has_failed)
        assert found.status == 200
