"""The bench of command lines: the same pods for all, and nothing is timed that counts otherwise."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from bench import command_lines, peer_policies, peers, repository
from bench.api_server import Target
from bench.command_lines import ALLOWED_REGISTRIES, Program, Run
from bench.figures import WrongAnswer
from bench.load import Load
from bench.report import PAGE, replaced


def test_every_second_pod_has_an_image_that_is_not_allowed(tmp_path: Path) -> None:
    assert command_lines.write_pods(tmp_path / "pods.yaml", 20) == 10
    pods = list(yaml.safe_load_all((tmp_path / "pods.yaml").read_text(encoding="utf-8")))
    registries = [{each["image"].partition("/")[0] for each in pod["spec"]["containers"]} for pod in pods]
    assert sum(not found <= set(ALLOWED_REGISTRIES) for found in registries) == 10


def test_our_own_command_line_denies_them(tmp_path: Path) -> None:
    program = peer_policies.imagegate(tmp_path)
    denied = command_lines.write_pods(tmp_path / "pods.yaml", 20)
    found = program.measure(tmp_path / "pods.yaml", "20 pods", denied)
    assert "Pod/pod-1" in found
    took = program.medians("20 pods")
    assert took.cpu_s > 0
    assert took.wall_s > 0
    assert 1 < took.peak_mib < 1000


@pytest.mark.parametrize(
    "script, what",
    [
        ("print(3)", "denies 3 of 20 pods, not 10"),
        ("raise SystemExit(2)", "exited 2"),
        ("print('x')", "counts nothing"),
    ],
)
def test_a_program_that_counts_otherwise_is_not_measured(script: str, what: str, tmp_path: Path) -> None:
    def denied(output: str) -> frozenset[str]:
        if not output.strip().isdigit():
            raise WrongAnswer("counts nothing")
        return frozenset(f"Pod/{number}" for number in range(int(output)))

    program = Program("other", "1", lambda pods: (sys.executable, "-c", script, pods), denied)
    with pytest.raises(WrongAnswer, match=what):
        program.measure(tmp_path / "pods.yaml", "20 pods", 10)
    assert program.runs == {}


def test_the_version_is_read_from_the_binary(tmp_path: Path) -> None:
    binary = tmp_path / "gator"
    binary.write_bytes(
        b"\0path\tx\nmod\tgithub.com/open-policy-agent/gatekeeper/v3\tv3.9.1\th1:x=\n"
        b"dep\tgithub.com/kyverno/kyverno\tv1.2.3\th1:y=\n"
    )
    assert peer_policies.version_in(binary) == "v3.9.1"
    assert peer_policies.version_in(binary.rename(tmp_path / "kyverno")) == "v1.2.3"
    assert peer_policies.version_in(binary.parent.joinpath("kyverno").rename(tmp_path / "other")) == "(devel)"
    assert peer_policies.version_in(binary.parent.joinpath("other").rename(tmp_path / "other-v1.18.2")) == "v1.18.2"


def test_the_tables() -> None:
    none, ours = Target("nobody", None), Target("imagegate", None)
    for target, requests, cpu_ms in ((none, 1000, 0.0), (ours, 900, 0.2)):
        target.rounds.append(Load(requests, 1.0, 10.0, 20.0, 0, 1100.0))
        target.webhook_cpu_ms.append(cpu_ms)
    table = peers.admissions_table({"no webhook": none, "imagegate": ours}, {"imagegate": "0.2.0"})
    assert table.splitlines()[-2:] == [
        "| no webhook |  | 1000 | 1.00 | 10.0 | 20.0 | 0.00 | 1.10 |",
        "| imagegate | 0.2.0 | 900 | 0.90 | 10.0 | 20.0 | 0.20 | 1.10 |",
    ]
    program = Program("gator test", "v3", lambda _pods: (), lambda _output: frozenset())
    program.runs = {
        f"{peers.MANY} pods": [Run(4.0, 5.0, 200.0)],
        "1 pods": [Run(0.3, 0.1, 50.0)],
        peers.REPOSITORY: [Run(2.0, 3.0, 100.0)],
    }
    table = peers.command_lines_table([program])
    assert table.splitlines()[-1] == "| gator test | v3 | 4 | 5 | 200 | 0.3 | 0.1 | 50 |"
    assert replaced(PAGE.read_text(encoding="utf-8"), "peers", table)
    theirs = frozenset({"Pod/a-1", "Job/b-2"})
    found = peers.repository_table([program], {"gator test": theirs}, "example 1.0", 2000)
    assert found.splitlines()[1] == "The 2,000 workloads of example 1.0, each in a file of its own:"
    assert found.splitlines()[-1] == "| gator test | 2 | 0 | 0 | 2 | 3 | 100 |"


def test_of_a_repository_the_workloads_with_containers_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    pod = {"spec": {"containers": [{"name": "a", "image": "quay.example/a"}]}}
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": pod}}
    foreign = {**workload, "apiVersion": "example.org/v1"}
    empty = {**workload, "spec": {"template": {"spec": {"containers": []}}}}
    (source / "a.yaml").write_text(yaml.safe_dump_all([workload, foreign, empty, None, "text"]), encoding="utf-8")
    (source / "b.yaml").write_text("{{ template }}: [", encoding="utf-8")
    job = {
        **workload,
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "spec": {"jobTemplate": {"spec": {"template": pod}}},
    }
    (source / "c.yml").write_text(yaml.safe_dump_all([job, {**pod, **workload, "kind": "Pod"}]), encoding="utf-8")
    assert repository.gather(source, tmp_path / "kept") == 2
    kept = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((tmp_path / "kept").iterdir())]
    assert [(each["kind"], each["metadata"]["name"]) for each in kept] == [
        ("Deployment", "web-1"),
        ("CronJob", "web-2"),
    ]
