"""Whatever strangers name their things: nothing printed is a terminal escape, a forged line or a CI command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imagegate.cli.check.render import render
from imagegate.cli.check.run import (
    ALLOWED,
    DENIED,
    NOT_COVERED,
    NOT_LOOKED_INTO,
    REWRITTEN,
    UNKNOWN,
    Problem,
    Report,
    Result,
    Rewrite,
)
from imagegate.cli.image import output as image_output
from imagegate.cli.lint.output import FORMATS as LINT_FORMATS
from imagegate.cli.main import main
from imagegate.cli.output import file_uri, json_text, quoted_word, safe_line, yaml_text
from imagegate.core.kube.status import Cause, Status
from imagegate.documents.lint.findings import Finding, Severity
from tests.cli.commands import SETTINGS, Command
from tests.support.hostile import ANY_TEXTS, FILE_NAMES, FRAGMENTS, SURROGATES, TEXTS, check_line, check_output
from tests.support.service import CONFIG

END_TO_END = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NAME = r'(?:[\w.:/-]*|"(?:[^"\\]|\\.)*")'
CHECK_LINES = (
    rf"{NAME} {NAME}(?:/{NAME})? *  (?:allowed|denied|rewritten|unknown|not looked into)  \(.*:\d+\)",
    rf"{NAME} {NAME}(?:/{NAME})? *  not covered  \(.*:\d+\)(?:: .*)?",
    r"  .*:\d+: .*",
    r"    .*",
    r"(?:no objects|\d+ objects?: .*?)(?:; \d+ with warnings)?(?:; \d+ errors?)?",
    r"imagegate: .*",
)
ANNOTATION = r"(?:error|warning|notice) file=[^,:]*,line=\d+,title=[^,:]*::.*"


def strict(text: str) -> Any:
    """JSON that every parser takes: valid by RFC 8259, without lone surrogates, alike for two parsers."""
    found = orjson.loads(text)
    assert json.loads(text, parse_constant=pytest.fail) == found
    return found


def check_data(text: str) -> None:
    """Documents for programs may end up in a terminal or CI log as well."""
    for line in text.split("\n"):
        check_line(line)


SKIPPED = (NOT_COVERED, NOT_LOOKED_INTO)


def report_of(texts: list[str], verdicts: list[str]) -> Report:
    """A report with one of the texts in every field, each in every field in turn."""
    supply = cycle(texts)

    def text() -> str:
        return next(supply)

    results = []
    for verdict in verdicts:
        modes = ("enforce", "warn") if verdict in (DENIED, UNKNOWN) else ("audit",)
        results.append(
            Result(
                *(text(), 3, text(), text(), text(), text(), verdict),
                problems=tuple(Problem(3, "p", mode, "code", text(), text(), text(), text()) for mode in modes),
                warnings=(text(),),
                rewrites=(Rewrite(3, "replace", text(), text(), text()),),
                reasons=(text(),) if verdict in SKIPPED else (),
                steps=({"at": text(), "what": text(), "subject": text(), "outcome": text(), "because": text()},),
            )
        )
    return Report(results, [text()], [text()])


REPORTS = st.builds(
    report_of,
    st.lists(ANY_TEXTS, min_size=1, max_size=7),
    st.lists(st.sampled_from([ALLOWED, REWRITTEN, DENIED, UNKNOWN, NOT_LOOKED_INTO, NOT_COVERED]), max_size=2),
)


class TestReports:
    """What ``check`` and ``lint`` make of any text in any field."""

    @given(REPORTS)
    def test_tables(self, report: Report) -> None:
        check_output(render(report, "table"), *CHECK_LINES)

    @given(REPORTS)
    def test_colour_is_the_only_escape(self, report: Report) -> None:
        coloured = render(report, "table", colour=True)
        check_output(re.sub(r"\x1b\[(3[0-9]|0)m", "", coloured), *CHECK_LINES)

    @given(REPORTS)
    def test_junit_is_xml(self, report: Report) -> None:
        text = render(report, "junit")
        check_data(text)
        root = ET.fromstring(text.encode("utf-8"))
        assert root.get("failures") == str(sum(each.verdict in (DENIED, UNKNOWN) for each in report.results))
        assert root.get("errors") == str(len(report.errors))
        cases = root.findall("testsuite/testcase")
        assert len(cases) == len(report.results) + len(report.passed_over) + len(report.errors)
        for case, result in zip(cases, report.results, strict=False):
            assert (case.find("failure") is not None) == (result.verdict in (DENIED, UNKNOWN))
            assert (case.find("skipped") is not None) == (result.verdict in SKIPPED)

    @given(REPORTS)
    def test_json_and_yaml_hold_the_original_texts(self, report: Report) -> None:
        as_json = render(report, "json")
        check_data(as_json)
        found = strict(as_json)
        for result, original in zip(found["results"], report.results, strict=True):
            if not any(surrogate in original.name for surrogate in map(chr, range(0xD800, 0xE000))):
                assert result["name"] == original.name
        as_yaml = render(report, "yaml")
        check_data(as_yaml)
        assert yaml.safe_load(as_yaml) == found

    @given(REPORTS)
    def test_sarif_is_json_with_uris(self, report: Report) -> None:
        text = render(report, "sarif")
        check_data(text)
        (run,) = strict(text)["runs"]
        files = [result.file for result in report.results for _ in result.problems]
        for result, file in zip(run["results"], files, strict=True):
            uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*", uri)
            check_line(result["message"]["text"])
            assert uri == file_uri(file)

    @given(REPORTS)
    def test_annotations(self, report: Report) -> None:
        check_output(render(report, "github").replace("\n::", "\n").removeprefix("::"), ANNOTATION)
        gitlab = render(report, "gitlab")
        check_data(gitlab)
        remarks = sum(len(result.problems) + (result.verdict in SKIPPED) for result in report.results)
        remarks += len(report.errors)
        assert len({each["fingerprint"] for each in strict(gitlab)}) == remarks

    @given(REPORTS)
    def test_policy_report_is_yaml(self, report: Report) -> None:
        text = render(report, "policyreport")
        check_data(text)
        assert yaml.safe_load(text)["kind"] == "PolicyReport"

    @given(st.lists(st.builds(Finding, st.sampled_from(list(Severity)), ANY_TEXTS, st.integers(1, 9), ANY_TEXTS,
                              ANY_TEXTS, st.just("code")), max_size=3))  # fmt: skip
    def test_lint(self, findings: list[Finding]) -> None:
        check_output(LINT_FORMATS["text"](findings), r".*:\d+: (?:error|warning|info): .* \[code\]")
        check_output(LINT_FORMATS["github"](findings).replace("\n::", "\n").removeprefix("::"), ANNOTATION)
        for form in LINT_FORMATS.keys() - {"github"}:
            check_data(LINT_FORMATS[form](findings))
        root = ET.fromstring(LINT_FORMATS["junit"](findings).encode("utf-8"))
        assert len(root.findall("testsuite/testcase")) == len(findings)
        as_json = strict(LINT_FORMATS["json"](findings))
        assert yaml.safe_load(LINT_FORMATS["yaml"](findings)) == as_json
        assert len(strict(LINT_FORMATS["sarif"](findings))["runs"][0]["results"]) == len(findings)


class TestPieces:
    @given(ANY_TEXTS)
    def test_a_line_is_a_line(self, text: str) -> None:
        check_output(safe_line(text), ".*")
        check_output(safe_line(f"{quoted_word(text)}  denied"), rf"{NAME}  denied")

    def test_an_ordinary_line_is_not_changed(self) -> None:
        for text in ("  spec.containers[0].image: a::b # c ## d", "größer 😀 as it is", "[a](b) ##"):
            assert safe_line(text) == text

    @given(ANY_TEXTS.filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)))
    def test_documents_hold_the_text(self, text: str) -> None:
        document = {"a": text, text: ["b", {"c": text}]}
        assert strict(json_text(document)) == document
        assert yaml.safe_load(yaml_text(document)) == document

    def test_bytes_of_file_names_are_shown(self) -> None:
        name = os.fsdecode(b"a\xff/b c#?.yaml")
        assert strict(json_text({"file": name})) == {"file": "a\\xff/b c#?.yaml"}
        assert yaml.safe_load(yaml_text({"file": name})) == {"file": "a\\xff/b c#?.yaml"}
        assert file_uri(name) == "a%FF/b%20c%23%3F.yaml"
        assert unquote_to_bytes(file_uri(name)) == os.fsencode(name)

    def test_numbers_beyond_64_bits(self) -> None:
        assert strict(json_text({"a": 2**70, "b": None})) == {"a": ANY, "b": None}
        assert json.loads(json_text({"a": 2**70}))["a"] == 2**70


def hostile_pod(name: str, image: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": name, "labels": {name: name}}
    spec = {"containers": [{"name": name, "image": image}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """One file for each fragment, by that name, with it in every field."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for number, fragment in enumerate((*FRAGMENTS, *SURROGATES[1:])):
        document = json.dumps(hostile_pod(fragment, f"evil.com/x{fragment}")).replace("\\udcff", "?")
        name = fragment.replace("/", "").replace("\0", "")
        (folder / f"{number}{name}.json").write_text(document)
        (folder / f"{name}.json").write_text(document)
    return folder


class TestCommands:
    """One test a command: arbitrary texts wherever the command takes something from outside."""

    @END_TO_END
    @given(name=TEXTS, image=TEXTS, file=FILE_NAMES)
    @example(
        name="zz\nPod default/web  allowed  (web.yaml:1)\n::set-output name=ok::true", image="a\x1b[1A", file="::a.yaml"
    )
    def test_check(self, imagegate: Command, tmp_path: Path, name: str, image: str, file: str) -> None:
        path = tmp_path / file
        path.write_text(json.dumps(hostile_pod(name, image)))
        try:
            ran = imagegate("check", *SETTINGS, "--explain", path)
            beside = imagegate("check", *SETTINGS, tmp_path, "-o", "junit")
        finally:
            path.unlink()
        check_output(ran.out, *CHECK_LINES)
        check_output(ran.err, "imagegate: .*")
        assert ET.fromstring(beside.out.encode("utf-8")).get("tests") in ("0", "1")

    def test_check_of_a_folder_of_hostile_names(self, imagegate: Command, hostile_folder: Path) -> None:
        ran = imagegate("check", *SETTINGS, hostile_folder)
        assert ran.code in (1, 2)
        check_output(ran.out, *CHECK_LINES)
        check_output(ran.err, "imagegate: .*")
        assert "denied" in ran.out
        junit = imagegate("check", *SETTINGS, hostile_folder, "-o", "junit")
        root = ET.fromstring(junit.out.encode("utf-8"))
        assert int(root.get("failures", "0")) > len(FRAGMENTS)
        for form in ("json", "sarif"):
            strict(imagegate("check", *SETTINGS, hostile_folder, "-o", form).out)

    @END_TO_END
    @given(image=TEXTS, namespace=TEXTS)
    def test_explain(self, imagegate: Command, image: str, namespace: str) -> None:
        for form in ("table", "json", "yaml"):
            ran = imagegate("explain", *SETTINGS, "-n", namespace, "-o", form, "--", image)
            check_data(ran.out)
            check_output(ran.err, "imagegate: .*", "Usage: .*", "Try .*", "Error: .*", "")
        ran = imagegate("explain", *SETTINGS, "-n", namespace, "-o", "json", "--", image)
        if image.strip():
            strict(ran.out)

    @END_TO_END
    @given(image=TEXTS)
    def test_explain_of_imports(self, imagegate: Command, image: str) -> None:
        for form in ("table", "json", "yaml"):
            ran = imagegate("explain", *SETTINGS, "--import", "-o", form, "--", image)
            check_data(ran.out)
            check_output(ran.err, "imagegate: .*")

    @END_TO_END
    @given(key=TEXTS, value=TEXTS, file=FILE_NAMES)
    def test_lint(self, imagegate: Command, tmp_path: Path, key: str, value: str, file: str) -> None:
        document = {
            "kind": "ImagePolicyConfig", "apiVersion": "v1", key: value,
            "executionRules": [{"name": value, "matchRegistries": [value, "a.io/b"], key: [value], "reject": value}],
        }  # fmt: skip
        path = tmp_path / file
        path.write_text(json.dumps(document))
        try:
            ran = imagegate("lint", path)
            junit = imagegate("lint", "-o", "junit", path)
            strict(imagegate("lint", "-o", "sarif", path).out)
            loaded = imagegate("check", "--config", path, CONFIG / "examples" / "pods")
        finally:
            path.unlink()
        check_output(ran.out, r".*:\d+: (?:error|warning|info): .* \[[a-z-]+\]")
        ET.fromstring(junit.out.encode("utf-8"))
        check_output(loaded.err, "imagegate: .*")

    @END_TO_END
    @given(name=TEXTS, tag=TEXTS, image=TEXTS)
    def test_check_streams(self, imagegate: Command, tmp_path: Path, name: str, tag: str, image: str) -> None:
        (tmp_path / "s.json").write_text(json.dumps(hostile_stream(name, tag, image)))
        ran = imagegate("check-streams", *SETTINGS, tmp_path / "s.json")
        check_output(ran.out, r".*s\.json:\d+: .*")
        check_output(ran.err, r"\d+ references? outside the list in \d+ image streams?", "imagegate: .*")
        check_data(imagegate("check-streams", *SETTINGS, tmp_path / "s.json", "-o", "json").out)

    @END_TO_END
    @given(text=TEXTS)
    def test_convert(self, imagegate: Command, tmp_path: Path, text: str) -> None:
        policy = {
            "apiVersion": "portieris.cloud.ibm.com/v1", "kind": "ClusterImagePolicy",
            "metadata": {"name": f"a{text}", "annotations": {f"b{text}": text}},
            "spec": {"repositories": [{"name": f"c{text}", "policy": {"mutateImage": True, "vulnerability": {
                "ICCRVA": {"enabled": True, "account": text}}}}]},
        }  # fmt: skip
        path = tmp_path / "policy.yaml"
        comment = f"# {re.split('[^ -~]', text)[0]}\n"
        for written in (yaml_text(policy) + comment, yaml.safe_dump(policy, allow_unicode=True), json.dumps(policy)):
            path.write_text(written)
            ran = imagegate("convert", "--to", "cise", path)
            for line in ran.out.split("\n"):
                check_line(line.replace("\t", " "))
            check_output(ran.err, r".*policy\.yaml:\d+: .*", r"\d+ polic(?:y|ies) converted to .*", "imagegate: .*")

    @END_TO_END
    @given(text=TEXTS.filter(lambda text: not text.startswith("-") and "\0" not in text))
    @pytest.mark.parametrize("option", ["--name", "--secret", "--policy", "-n", "--vault-region", "--out"])
    def test_key(self, imagegate: Command, option: str, text: str) -> None:
        """No key is made: the repository is refused last."""
        ran = imagegate("key", "create", option, text, "--print-private-key", "--vault", "--", f"a {text}")
        assert (ran.code, ran.out) == (2, "")
        check_output(ran.err, "Usage: .*", "Try '.*", "Error: .*", "")

    @END_TO_END
    @given(name=TEXTS, tag=TEXTS, message=TEXTS)
    def test_image(self, imagegate: Command, tmp_path: Path, name: str, tag: str, message: str) -> None:
        """Objects and refusals as a server sends them."""
        stream = hostile_stream(name, tag, message)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for form in ("table", "json", "yaml"):
            image_output.print_objects("ImageStream", [stream], form, now, with_namespace=True)
            image_output.print_objects("ImageStream", [stream], form, now, is_list=False)
        failed = {"tag": tag, "status": {"status": "Failure", "message": message}}
        done = {"status": {"status": "Success"}, "image": {"dockerImageReference": message}}
        answer = {"status": {"images": [failed, done], "import": {}, "repository": {"additionalTags": [tag]}}}
        image_output.print_import(answer, name)
        for causes in ((), (Cause(name, message, tag),), (Cause(name, message, tag), Cause(name, "x", tag))):
            image_output.print_refusal(
                Status(code=422, reason="Invalid", message=message, kind=name, name=tag, causes=causes)
            )
        ran = Command(imagegate._capsys)("image", "show", "--server", "http://127.0.0.1:9", "--", f"a{name}")
        check_data(ran.out)
        check_data(ran.err)

    def test_errors(self, imagegate: Command, tmp_path: Path) -> None:
        for fragment in (*FRAGMENTS, SURROGATES[1]):
            if "\0" in fragment:
                continue
            for arguments in (
                ["check", *SETTINGS, f"nowhere{fragment}"],
                ["check", "--config", f"nowhere{fragment}", tmp_path],
                ["check", "--settings", f"nowhere{fragment}", tmp_path],
                ["lint", f"nowhere{fragment}"],
                ["convert", f"nowhere{fragment}"],
                ["check-streams", *SETTINGS, f"nowhere{fragment}"],
                [f"no{fragment}"],
                ["check", f"--no{fragment}"],
                ["check", "-o", fragment, tmp_path],
                ["image", "list", "--server", f"x{fragment}"],
                ["image", "list", "--server", f"http://127.0.0.1:9/{fragment}"],
            ):
                ran = imagegate(*arguments)
                assert ran.code == 2
                check_output(ran.out, "no objects; 1 error", r".*:1: error: .* \[unreadable\]")
                streams = "0 references outside the list in 0 image streams"
                check_output(ran.err, "imagegate: .*", "Usage: .*", "Try '.*", "Error: .*", "", streams, "1 error")


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\x0b", "\x1e"])
def test_an_error_cannot_bring_a_line_of_its_own(imagegate: Command, tmp_path: Path, end: str) -> None:
    """Two faults are two lines, whatever line ends are in the names of fields and files."""
    forged = f"a{end}imagegate: everything is allowed"
    document = {
        "kind": "ImagePolicyConfig",
        "apiVersion": "v1",
        forged: 1,
        "executionRules": [{"name": "b", forged: 1}],
    }
    path = tmp_path / f"{forged}.yaml"
    path.write_text(json.dumps(document))
    ran = imagegate("check", "--config", path, CONFIG / "examples" / "pods")
    assert ran.code == 2
    lines = ran.err.removesuffix("\n").split("\n")
    assert len(lines) == len(ran.err.splitlines()) == 2
    assert all(line.startswith(f"imagegate: {tmp_path}/a\\") for line in lines)
    findings = json.loads(imagegate("lint", "-o", "json", path).out)
    assert [(finding["file"], finding["line"]) for finding in findings] == [(str(path), 1)] * 2


def hostile_stream(name: str, tag: str, image: str) -> dict[str, Any]:
    condition = {"type": "ImportSuccess", "status": "False", "reason": name, "message": image}
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": name},
        "spec": {"tags": [{"name": tag, "from": {"kind": "DockerImage", "name": f"evil.com/{image}"}}]},
        "status": {
            "dockerImageRepository": image,
            "tags": [{"tag": tag, "items": [], "conditions": [condition]}],
        },
    }


def test_warnings_that_are_logged_are_one_line_too(tmp_path: Path) -> None:
    """What a library or a loader logs goes to the console form, in a process of its own."""
    script = (
        "import logging, sys\nfrom imagegate.cli.main import main\n"
        "main(['--version'])\nlogging.getLogger('x').warning('a\\n::error::%s', '\\x1b[2J')\n"
        "try:\n  raise ValueError('b\\n##vso[x]\\x1b')\nexcept ValueError:\n  logging.getLogger('x').exception('c')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stderr.split("\n")[0] == "imagegate: WARNING: a\\n::error::\\x1b[2J"
    assert "\x1b" not in ended.stderr


def test_main_shows_help_where_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err
