"""Image streams of another image API, watched: a second imagegate plays the platform, with imports and streams."""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from tests.cluster.test_watched_policies import review
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until
from tests.support.service import serving
from tests.walkthrough.document_004 import IMAGE, IMPORT, cluster

IN_FORCE_S = 2.0
POLICY = {
    "kind": "ImagePolicyConfig",
    "apiVersion": "v1",
    "resolveImages": "RequiredRewrite",
    "executionRules": [
        {"name": "in-streams", "onResources": [{"resource": "pods"}], "matchIntegratedRegistry": False},
    ],
}


def test_tags_resolve_from_the_platforms_streams(tmp_path: Path) -> None:
    with cluster(tmp_path) as (registry, platform):
        digest = registry.push_sample("tiny-docker", IMAGE)
        kubectl = Kubectl(tmp_path)
        kubectl.use(f"http://127.0.0.1:{platform.running.port}")
        own = tmp_path / "own"
        own.mkdir()
        config, settings = own / "policy.yaml", own / "imagegate.yaml"
        config.write_text(yaml.safe_dump(POLICY))
        chosen = {"kubeconfig": str(kubectl.configuration), "imageStreams": True}
        settings.write_text(yaml.safe_dump({"config": str(config), "cluster": chosen}))
        with serving(own, "--settings", settings, workers=2) as service:
            wait_until(lambda: service.get("/readyz").status == 200, "the watches")
            asked = review("image-policy-check:latest", "default")
            assert service.post("/mutate", asked).response["allowed"] is False
            kubectl("create", "-f", "-", text_in=IMPORT)
            local = '{"spec": {"lookupPolicy": {"local": true}}}'
            kubectl("patch", "imagestream", "image-policy-check", "-n", "default", "--type=merge", "-p", local)
            began = time.monotonic()
            while not (said := service.post("/mutate", asked).response)["allowed"]:
                assert time.monotonic() - began < IN_FORCE_S, said
            [patch] = [each for each in service.post("/mutate", asked).patch if each["path"].endswith("/image")]
            assert patch["value"].endswith(digest)
            kubectl("delete", "imagestream", "image-policy-check", "-n", "default")
            wait_until(lambda: service.post("/mutate", asked).response["allowed"] is False, "the deletion")
