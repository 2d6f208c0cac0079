"""Texts in printed YAML stay texts, for Go's YAML as real kubectl has it and for Python's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.cli.output import yaml_text
from tests.cli.commands import SETTINGS, Command
from tests.support.hostile import TEXTS
from tests.support.kubectl import Kubectl

TROUBLESOME = (
    "7e10", "12e3", "1e3", "1E3", "4e0", "1e+3", "1.5e3", "123e456", ".5e1", "1e", "0o17", "0O17", "017", "08",
    "0x1f", "0X1F", "0b1", "0B1", "1_000", "0x_1f", "_1", "1_", "1__0", ".5", "5.", "+1", "-1", "+.5", "+0x1", "-0b1",
    "1:30", "190:20:30", "1:30.5", "00", "0", "-0", "+", "-", ".", "..", "...", "---", "--- a", "y", "Y", "n", "N",
    "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "true", "True", "TRUE", "tRUE",
    "false", "False", "FALSE", "~", "null", "Null", "NULL", "nULL", "", ".inf", ".Inf", ".INF", "-.inf", "+.inf",
    "inf", "Infinity", ".nan", ".NaN", ".NAN", "nan", "NaN", "2020-01-01", "2020-1-1", "2020-01-01T00:00:00Z",
    "2020-01-01 00:00:00", "2001-12-14t21:59:43.10-05:00", "12:00", "=", "<<", "<", ">", "|", "|-", ">-", "!",
    "!!str", "!!str a", "!a b", "&", "&a", "&a b", "*", "*a", "?", "? a", "-a", "- a", ":", ": a", "a:", "a: b",
    "a :b", "#", "#a", "a #b", "a#b", "%", "%YAML 1.1", "@a", "`a", "'", "''", "'a'", '"', '"a"', 'a"b', "\\", "\\n",
    "a\\", "[", "[a", "[]", "]", "{", "{}", "{a: b}", "}", ",", ", a", "a,", " ", " a", "a ", "  ", "\t", "\ta",
    "a\t", "a\tb", "\n", "\na", "a\n", "a\n\n", "a\nb", " a\nb", "a\n b\n", "a\r", "a\r\nb", "\x00", "\x1b[0m",
    "\x7f", "\x85", "a\x85b", "\u00a0", "\u00a0a", "\u2028", "a\u2028b", "\u2029", "\ufeff", "\ufeffa", "\ufffe",
    "\U0001f600", "0.1.0", "1.2", "1.20", "1.2.3", "10.0.0.1", "1password", "12345678901234567890123", "1" * 400,
    "a" * 3000, "a b " * 60, "::a::b", "##vso[x]", "\\##vso[x]", "a ##[b]", "sha256:" + "0" * 64,
    "172.30.1.1:5000/a/b:1", "1/2", "0/", "~a", "~/a", "=a", "<<a", "null a",
)  # fmt: skip
NUMBER_LIKE = st.text("0123456789eExXoObB_.:+-~=<>aAfFyYnNtTiIlLuU ,ZT", min_size=1, max_size=8)


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    return Kubectl(tmp_path)


def objects(texts: list[str]) -> list[dict[str, Any]]:
    """The texts as values and as keys, in an object that kubectl knows and in one that it does not."""
    numbered = {f"v{number}": text for number, text in enumerate(texts)}
    keys = {text: text for text in texts}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": numbered}, "data": keys},
        {
            "apiVersion": "example.com/v1",
            "kind": "Thing",
            "metadata": {"name": "a"},
            "spec": {"values": numbered, "keys": keys, "list": texts, "lists": [texts]},
        },
    ]


def as_go_reads(kubectl: Kubectl, text: str) -> list[dict[str, Any]]:
    """What kubectl makes of YAML, as JSON; it adds one annotation, and asks no server."""
    kubectl.home.joinpath("printed.yaml").write_text(text, encoding="utf-8")
    printed = kubectl("annotate", "--local", "-f", kubectl.home / "printed.yaml", "read=yes", "-o", "json").stdout
    found, at = [], 0
    while at < len(printed.rstrip()):
        document, length = json.JSONDecoder().raw_decode(printed[at:].lstrip())
        at += length + len(printed[at:]) - len(printed[at:].lstrip())
        del document["metadata"]["annotations"]["read"]
        if not document["metadata"]["annotations"]:
            del document["metadata"]["annotations"]
        found.append(document)
    return found


def check_texts(kubectl: Kubectl, texts: list[str]) -> None:
    written = objects(texts)
    printed = yaml_text(*written, explicit_start=True)
    assert as_go_reads(kubectl, printed) == written
    assert list(yaml.safe_load_all(printed)) == written
    assert [each.object for each in read_manifests(printed, "printed.yaml") if isinstance(each, Manifest)] == written


def test_troublesome_texts(kubectl: Kubectl) -> None:
    check_texts(kubectl, list(TROUBLESOME))


def test_numbers_booleans_and_null_stay_what_they_are(kubectl: Kubectl) -> None:
    values: list[Any] = [0, 1, -1, 2**53, 2**63 - 1, -(2**63), 0.5, -1.25, 1e3, True, False, None, [], {}, [[]], [{}]]
    written = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"values": values}}
    assert as_go_reads(kubectl, yaml_text(written)) == [written]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NUMBER_LIKE, min_size=100, max_size=300, unique=True))
def test_whatever_is_like_a_number(kubectl: Kubectl, texts: list[str]) -> None:
    check_texts(kubectl, texts)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS | st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=60, unique=True))
def test_any_text(kubectl: Kubectl, texts: list[str]) -> None:
    check_texts(kubectl, texts)


def test_rewrite(imagegate: Command, kubectl: Kubectl, tmp_path: Path) -> None:
    """The whole way: manifests with these texts, as JSON, through ``check --rewrite``, to kubectl."""
    written = objects(list(TROUBLESOME))
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "annotations": {f"a{number}": text for number, text in enumerate(TROUBLESOME)}},
        "spec": {"containers": [{"name": "c", "image": "docker.io/library/nginx:1", "args": list(TROUBLESOME)}]},
    }
    for number, document in enumerate([*written, pod]):
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
    ran = imagegate("check", *SETTINGS, "--rewrite", *(tmp_path / f"{number}.json" for number in range(3)))
    assert ran.code == 0
    *others, stored = as_go_reads(kubectl, ran.out)
    assert others == written
    assert stored["metadata"]["annotations"] == pod["metadata"]["annotations"]
    assert stored["spec"]["containers"][0]["args"] == list(TROUBLESOME)


def test_kustomize(imagegate: Command, kubectl: Kubectl, tmp_path: Path) -> None:
    """Its library reads YAML 1.2: what is printed as 1e3 without quotes would come out as 1000, without an error."""
    values = {f"v{number}": text for number, text in enumerate(TROUBLESOME) if text.isprintable()}
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": values}
    (tmp_path / "thing.json").write_text(json.dumps(thing))
    ran = imagegate("check", *SETTINGS, "--rewrite", tmp_path / "thing.json")
    kubectl.home.joinpath("printed.yaml").write_text(ran.out)
    kubectl.home.joinpath("kustomization.yaml").write_text("resources: [printed.yaml]\n")
    assert as_go_reads(kubectl, kubectl("kustomize", kubectl.home).stdout) == [thing]
