"""``python -m bench.peers``: imagegate beside programs for the same purpose, whose binaries are given; a table each."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import peer_policies, portieris, repository
from bench.admissions import WORKERS, webhook
from bench.api_server import CLIENTS, ApiServer, Target, api_server
from bench.command_lines import Program, write_pods
from bench.figures import WrongAnswer, rounded
from bench.report import PAGE, machine, replaced
from bench.server_figures import reference
from imagegate import __version__

MANY = 10_000
REPOSITORY = "repository"
WARM_UP_S = 2
PORTIERIS_S = 12
"""Seconds of load for Portieris at least: as shipped it answers 16 clients within 6 seconds, so less shows nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is given and print the tables; 1 if a program answered wrongly."""
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser().parse_args(given)
    if arguments.portieris:
        portieris.isolated("bench.peers", given)
    parts = [machine()]
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            if not arguments.only_command_lines:
                parts.append(_admissions(arguments, Path(name)))
            if not arguments.only_admissions:
                parts.append(_command_lines(arguments, Path(name)))
    except WrongAnswer as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    text = "\n".join(parts)
    print(text)
    if arguments.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), "peers", text), encoding="utf-8")
    return 0


def _admissions(arguments: argparse.Namespace, directory: Path) -> str:
    """No webhook, a no-op, imagegate and each Portieris in turn; a Portieris is started for its round."""
    targets = {
        "no webhook": Target("nobody", None),
        "no-op, imagegate's worker": Target("noop", None, decides=False),
        "imagegate": Target("imagegate", None),
    }
    binaries = {f"Portieris ({path.name})": path for path in arguments.portieris}
    targets |= {name: Target("portieris", None) for name in binaries}
    versions = {"imagegate": __version__}
    (directory / "plane").mkdir()
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(api_server(directory / "plane"))
        ours = stack.enter_context(webhook(api))
        tls = api.plane.ca.server
        noop = stack.enter_context(reference("same", api.directory, workers=WORKERS, cpus=None, tls=tls))
        api.hook("nobody", None)
        for name, server in (("no-op, imagegate's worker", noop), ("imagegate", ours)):
            targets[name].webhook = server
            api.hook(targets[name].namespace, f"https://127.0.0.1:{server.port}/admit")
        if binaries:
            stack.enter_context(portieris.certificates(api))
            portieris.apply_policy(api)
            api.hook("portieris", portieris.URL)
        for number in range(arguments.rounds):
            for name, target in targets.items():
                if name not in binaries:
                    _round(api, target, arguments.seconds, warm=number == 0)
                    continue
                with portieris.serving(binaries[name], api) as target.webhook:
                    _round(api, target, max(arguments.seconds, PORTIERIS_S), warm=False)
                    versions[name] = portieris.version(binaries[name], api)
    return admissions_table(targets, versions)


def _round(api: ApiServer, target: Target, seconds: int, *, warm: bool) -> None:
    api.wait_for(target)
    if warm:
        api.put_under_load(target, WARM_UP_S, counts=False)
    api.put_under_load(target, seconds)
    api.check(target)


def _command_lines(arguments: argparse.Namespace, directory: Path) -> str:
    programs = [peer_policies.imagegate(directory)]
    programs += [peer_policies.gator(path, directory) for path in arguments.gator]
    programs += [peer_policies.kyverno(path, directory) for path in arguments.kyverno]
    for count in (MANY, 1):
        pods = directory / f"pods-{count}.yaml"
        denied = write_pods(pods, count)
        for _ in range(arguments.rounds):
            for program in programs:
                program.measure(pods, f"{count} pods", denied)
    text = command_lines_table(programs)
    if arguments.repository:
        workloads = directory / "repository"
        count = repository.gather(arguments.repository, workloads)
        verdicts = {}
        for _ in range(arguments.rounds):
            for program in programs:
                verdicts[program.name] = program.measure(workloads, REPOSITORY)
        text += repository_table(programs, verdicts, arguments.repository_name, count)
        text += _denials(programs, verdicts, workloads)
    return text


def repository_table(programs: Sequence[Program], verdicts: Mapping[str, frozenset[str]], name: str, count: int) -> str:
    """Verdicts, seconds and memory of the command lines over a repository, as a Markdown table."""
    lines = [
        "",
        f"The {count:,} workloads of {name}, each in a file of its own:",
        "",
        "| command line | denied | not by imagegate | only by imagegate | s | CPU s | peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    ours = verdicts[programs[0].name]
    for program in programs:
        theirs = verdicts[program.name]
        cells = [f"{len(each):,}" for each in (theirs, theirs - ours, ours - theirs)]
        cells += [f"{value:.3g}" for value in dataclasses.astuple(program.medians(REPOSITORY))]
        lines.append(f"| {program.name} | {' | '.join(cells)} |")
    for program in programs[1:]:
        theirs = verdicts[program.name]
        for text, names in (("not by imagegate", theirs - ours), ("only by imagegate", ours - theirs)):
            if names:
                print(f"{program.name}: {len(names)} {text}: {', '.join(sorted(names)[:10])} ...", file=sys.stderr)
    return "\n".join(lines) + "\n"


def _denials(programs: Sequence[Program], verdicts: Mapping[str, frozenset[str]], workloads: Path) -> str:
    """The texts that a person reads for the first workload that all deny."""
    name = min(frozenset.intersection(*verdicts.values())).partition("/")[2]
    path = workloads / f"{int(name.rpartition('-')[2]):05}.yaml"
    lines = ["", "One denial of these, as each shows it to a person:", ""]
    for program in programs:
        shown = program.shown(path).replace(f"{workloads}{os.sep}", "").replace(str(workloads.parent), "POLICIES")
        lines += ["```text", f"$ {program.name}", shown.strip(), "```", ""]
    return "\n".join(lines[:-1]) + "\n"


def admissions_table(targets: dict[str, Target], versions: dict[str, str]) -> str:
    """Pods per second through the API server, as a Markdown table."""
    lines = [
        f"Pods per second through the API server, {CLIENTS} clients:",
        "",
        "| webhook | version | pods/s | against none | p50 ms | p99 ms | its CPU ms/pod | API server's CPU ms/pod |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    most = targets["no webhook"].per_second
    for name, target in targets.items():
        cells = [rounded(target.per_second), f"{target.per_second / most:.2f}", f"{target.p50_ms:.1f}"]
        cells += [f"{target.p99_ms:.1f}", f"{target.cpu_ms:.2f}", f"{target.api_server_cpu_ms:.2f}"]
        lines.append(f"| {name} | {versions.get(name, '')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def command_lines_table(programs: Sequence[Program]) -> str:
    """Seconds and memory of the command lines, as a Markdown table."""
    lines = [
        f"One file of {MANY:,} pods of two containers, half of them denied, and one of a single pod:",
        "",
        f"| command line | version | {MANY:,} pods: s | CPU s | peak MiB | 1 pod: s | CPU s | peak MiB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for program in programs:
        cells = [
            f"{value:.3g}" for count in (MANY, 1) for value in dataclasses.astuple(program.medians(f"{count} pods"))
        ]
        lines.append(f"| {program.name} | {program.version} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Measures imagegate beside peers.")
    for name in ("portieris", "gator", "kyverno"):
        variable = name.upper()
        default = [Path(path) for path in os.environ.get(variable, "").split(os.pathsep) if path]
        text = f"a binary; may be repeated (or {variable}, separated by {os.pathsep!r})"
        parser.add_argument(f"--{name}", type=Path, action="append", default=default, metavar="FILE", help=text)
    parser.add_argument("--repository", type=Path, metavar="FOLDER", help="manifests of a public repository")
    parser.add_argument("--repository-name", default="the repository", metavar="TEXT", help="its name in the table")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of load in a round (5)")
    parser.add_argument("--only-admissions", action="store_true", help="leave the command lines out")
    parser.add_argument("--only-command-lines", action="store_true", help="leave the API server out")
    parser.add_argument("--write", action="store_true", help="rewrite the section of docs/performance.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
