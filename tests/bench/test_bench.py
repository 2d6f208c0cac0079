"""The benchmarks' own promises, without measuring time: names, lines, answers, and complexity by counting."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import crowd, deciding, plot, program, report, reviews
from bench.figures import Figure, Options, WrongAnswer
from bench.load import check_answers, is_allowed
from bench.server_figures import REFERENCES, reference
from tests.support.counting import lines_run

CONTRACT = """
mutate_vs_flask_noop mutate_vs_wsgi_noop mutate_vs_same_noop mutate_p99_vs_noop cise_pattern_vs_flask_noop
cise_signed_warm_vs_flask_noop cise_trust_warm_vs_flask_noop slow_clients bulkhead
admissions_vs_no_webhook admission_cpu
rules_scale_registries rules_scale_imports rules_scale_cise stream_scale merge_lookups burst_200 burst_500
check_vs_parse simple_cold simple_warm rss_worker ready trust_chain
"""


def test_every_figure_of_the_contract_can_be_asked_for() -> None:
    assert [name for name in CONTRACT.split() if name not in command.NAMES] == []


@pytest.mark.parametrize("place", command.BENCHMARKS)
def test_every_benchmark_is_there(place: str) -> None:
    assert callable(command.load(place))


def test_names_of_one_benchmark_are_measured_once() -> None:
    assert command.chosen(["simple_warm", "simple_cold"]) == ["bench.enforcing:simple"]
    assert "bench.lifetime:soak" not in command.chosen([])
    assert command.chosen(["soak"]) == ["bench.lifetime:soak"]


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["no_such_figure"]) == 2
    assert "no figure 'no_such_figure'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "figure, line",
    [
        (Figure("a", 0.934, "ratio", 1.0), "a 0.934 ratio <=1 met"),
        (Figure("a", 1.0, "ratio", 1.0), "a 1 ratio <=1 met"),
        (Figure("a", 1.004, "ratio", 1.0), "a 1.004 ratio <=1 short"),
        (Figure("a", 151.2, "ms", 150), "a 151.2 ms <=150 short"),
        (Figure("a", 0.86, "ratio", at_least=0.85), "a 0.86 ratio >=0.85 met"),
        (Figure("a", 0.84, "ratio", at_least=0.85), "a 0.84 ratio >=0.85 short"),
        (Figure("a", 2291.4, "requests/s"), "a 2291 requests/s - -"),
    ],
)
def test_one_figure_a_line(figure: Figure, line: str) -> None:
    assert figure.line() == line
    assert figure.to_json()["verdict"] == line.rsplit(maxsplit=1)[-1]


def test_a_wrong_answer_is_said_and_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(options: Options) -> list[Figure]:
        raise WrongAnswer("denied")

    def right(options: Options) -> list[Figure]:
        return [Figure("b", 1, "s", 2)]

    benchmarks: dict[str, Callable[[Options], list[Figure]]] = {"x:a": wrong, "x:b": right}
    monkeypatch.setattr(command, "BENCHMARKS", {"x:a": ("a",), "x:b": ("b",)})
    monkeypatch.setattr(command, "load", benchmarks.__getitem__)
    assert command.main([]) == 1
    captured = capsys.readouterr()
    assert captured.out == "b 1 s <=2 met\n"
    assert captured.err == "a: not measured: denied\n"


@pytest.mark.parametrize(
    "review, size",
    [
        (reviews.small("nginx:1", "shop", 1), 1_400),
        (reviews.usual("nginx:1", "shop", 1), 4_000),
        (reviews.updated("nginx:1", "shop", 1), 7_300),
        (reviews.large([f"nginx:{number}" for number in range(20)], "shop", 1), 30_000),
    ],
)
def test_reviews_have_the_sizes_that_occur(review: dict[str, object], size: int) -> None:
    assert abs(len(json.dumps(review, separators=(",", ":"))) - size) < size / 10


def test_an_answer_for_another_review_is_wrong() -> None:
    review = reviews.small("nginx:1", "shop", 1)
    uid = review["request"]["uid"]
    check = program.rewrites_to("nginx@sha256:1")
    assert check(review, {"response": {"uid": "another", "allowed": True}}) == "another uid"
    assert check(review, {"response": {"uid": uid, "allowed": False}}) == "denied"
    assert check(review, {"response": {"uid": uid, "allowed": True}}) == "patch is []"


@pytest.mark.parametrize("name", deciding.CURVES)
def test_a_decision_does_not_cost_more_with_more_entries(name: str) -> None:
    """Lines of Python run for the same questions; a search through all entries would run 50 times as many."""
    ours, linear = deciding.CURVES[name]

    def work(make: Callable[[int], deciding.Case], size: int) -> int:
        case = make(size)
        case.ask()  # what is made once is made now
        return lines_run(case.ask)

    assert work(ours, 1_000) <= 2 * work(ours, 20)
    assert work(linear, 1_000) > 10 * work(linear, 20)


def test_the_page_is_rewritten_between_its_marks() -> None:
    page = "a\n<!-- figures -->\nold\n<!-- /figures -->\nb\n"
    table = report.figures_table([Figure("ready", 0.8, "s", 1.5)])
    assert report.replaced(page, "figures", table) == (
        "a\n<!-- figures -->\n| figure | value | goal | |\n|---|---:|---:|---|\n"
        "| `ready` | 0.8 s | <=1.5 | met |\n<!-- /figures -->\nb\n"
    )
    with pytest.raises(ValueError, match="has no <!-- curves -->"):
        report.replaced(page, "curves", "")


def test_the_page_has_all_marks() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    for part in ("machine", "figures", "curves", "manifests"):
        assert report.replaced(page, part, "x")


def test_the_plot_is_a_drawing_of_all_curves() -> None:
    drawing = plot.log_log("t", "us", {"ours": {10: 1.0, 1000: 1.1}, "ours (linear)": {10: 1.0, 1000: 90.0}})
    assert drawing.count("<polyline") == 2
    assert drawing.count("stroke-dasharray") == 2
    assert drawing.startswith("<svg")
    assert drawing.endswith("</svg>\n")


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_reference_allows_the_review_that_it_was_sent(kind: str, tmp_path: Path) -> None:
    bodies = reviews.write([reviews.usual("nginx:1", "shop", number) for number in range(2)], tmp_path, "usual")
    with reference(kind, tmp_path) as server:
        check_answers(server, "/mutate", bodies, is_allowed)


def test_an_answer_to_the_crowd_counts_only_if_it_is_for_its_own_review(tmp_path: Path) -> None:
    (body,) = reviews.write([reviews.usual("nginx:1", "shop", 1)], tmp_path, "usual")
    with reference("same", tmp_path) as server:
        done = subprocess.run(
            [sys.executable, "-m", "bench.crowd", "ask", str(server.port), "/mutate", "20", str(body)],
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    assert [allowed for _, allowed in json.loads(done.stdout)] == [True] * 20


@pytest.mark.parametrize("kind", crowd.KINDS)
def test_slow_clients_never_complete_what_they_send(kind: str) -> None:
    first, rest = crowd.KINDS[kind]
    assert len(rest) * crowd.EVERY_S > 100  # longer than any limit of the service
    head, _, body = first.partition(b"\r\n\r\n")
    if kind == "bodies":
        assert int(head.rpartition(b" ")[2]) == len(body) + len(rest)
    else:
        assert b"\r\n\r\n" not in first + rest
