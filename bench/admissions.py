"""What a webhook costs the API server's clients: pods per second with it, against none, and its processor time.

API server, etcd, webhook (two workers) and clients (wrk, which costs the least) share all processors; nothing is
pinned, since what one of them uses the others lack.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from bench import program
from bench.api_server import ApiServer, Target, api_server
from bench.figures import Figure, Options
from bench.server_figures import reference
from bench.servers import Server

WORKERS = 2
ENTRIES = [f"registry-{number}.example.com/team/*" for number in range(9)] + ["docker.io/*"]
"""The repositories of the ClusterImagePolicy; the last one matches."""


def cluster_image_policy() -> dict[str, object]:
    """The policy that imagegate reads from a file, and Portieris from the API server."""
    return {
        "apiVersion": "portieris.cloud.ibm.com/v1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "bench"},
        "spec": {"repositories": [{"name": name, "policy": {}} for name in ENTRIES]},
    }


@contextlib.contextmanager
def webhook(api: ApiServer) -> Iterator[Server]:
    """``imagegate serve`` with TLS, two workers and the policy."""
    directory = api.directory / "imagegate"
    directory.mkdir(exist_ok=True)
    policies, settings = directory / "policies.yaml", directory / "imagegate.yaml"
    policies.write_text(yaml.safe_dump(cluster_image_policy()), encoding="utf-8")
    settings.write_text(
        yaml.safe_dump({"policies": [str(policies)], "cise": {"profile": "portieris"}}), encoding="utf-8"
    )
    tls = ("--tls-cert", api.plane.ca.server.certificate, "--tls-key", api.plane.ca.server.key)
    arguments = ("--settings", settings, *tls)
    with program.serving("imagegate", directory, *arguments, workers=WORKERS, cpus=None) as server:
        yield dataclasses.replace(server, scheme="https")


def admissions(options: Options) -> Iterable[Figure]:
    """No webhook, imagegate's, and a no-op under the same worker, in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        api_server(Path(name)) as api,
        webhook(api) as ours,
        reference("same", api.directory, workers=WORKERS, cpus=None, tls=api.plane.ca.server) as noop,
    ):
        without, with_ours, with_noop = (
            Target("nobody", None),
            Target("imagegate", ours),
            Target("noop", noop, decides=False),
        )
        for target in (without, with_ours, with_noop):
            url = None if target.webhook is None else f"https://127.0.0.1:{target.webhook.port}/admit"
            api.hook(target.namespace, url)
        api.alternate((without, with_ours, with_noop), rounds=options.rounds, seconds=options.seconds)
        ratio = with_ours.per_second / without.per_second
        yield Figure("admissions_vs_no_webhook", ratio, "ratio", at_least=0.85)
        yield Figure("admission_cpu", with_ours.cpu_ms, "ms/admission", 0.35)
        yield Figure("admissions_noop_vs_no_webhook", with_noop.per_second / without.per_second, "ratio")
        yield Figure("admissions_vs_noop", with_ours.per_second / with_noop.per_second, "ratio")
        yield Figure("admission_noop_cpu", with_noop.cpu_ms, "ms/admission")
        for label, target in (("no_webhook", without), ("imagegate", with_ours), ("noop", with_noop)):
            yield Figure(f"admissions_{label}", target.per_second, "pods/s")
            yield Figure(f"admissions_{label}_p50", target.p50_ms, "ms")
            yield Figure(f"admissions_{label}_p99", target.p99_ms, "ms")
            yield Figure(f"admissions_{label}_api_server_cpu", target.api_server_cpu_ms, "ms/admission")
