"""``imagegate replay`` on files: what is read, what is compared, what it ends with."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from imagegate.cli.replay import pieces
from imagegate.core.admission.request import Phase
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.cli.commands import SETTINGS, Command
from tests.cli.test_formats import schema
from tests.support.audit_events import denied, event, pod
from tests.support.registry import Registry
from tests.support.service import CONFIG

GOOD, BAD = "docker.io/library/nginx:1.27", "quay.io/evil/x:1"
OWN = "image-policy.imagegate.dev"
POLICY = """\
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- name: {name}
  onResources: [{{resource: pods}}]
  reject: true
  matchRegistries: [{registry}]
"""


def write(path: Path, documents: Iterable[Any], more: str = "") -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in documents) + more, encoding="utf-8")
    return path


def config(tmp_path: Path, registry: str) -> Path:
    path = tmp_path / f"no-{registry}.yaml"
    path.write_text(POLICY.format(name=f"no-{registry}", registry=registry), encoding="utf-8")
    return path


def reviewed(image: str) -> dict[str, Any]:
    request = {
        "uid": "1",
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "object": pod(image),
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@pytest.fixture
def audit_log(tmp_path: Path) -> Path:
    events = [
        event(pod(GOOD)),
        event(pod(BAD)),
        event(pod(GOOD), code=403, message=denied(OWN)),
        event(pod(BAD), code=403, message=denied(OWN)),
        event(None, level="Metadata"),
        event(pod(GOOD), verb="get"),
    ]
    return write(tmp_path / "audit.log", events)


def test_the_recorded_verdicts_are_compared(imagegate: Command, audit_log: Path) -> None:
    ran = imagegate("replay", *SETTINGS, "-o", "json", audit_log)
    found = json.loads(ran.out)
    assert ran.code == 1
    assert (found["records"], found["replayed"]) == (6, 4)
    assert found["summary"] == {
        "newly denied": 1,
        "denied, nothing recorded": 0,
        "newly allowed": 1,
        "rewritten otherwise": 0,
        "not known": 0,
        "same": 2,
    }
    newly_denied, newly_allowed = found["changes"]
    assert (newly_denied["change"], newly_denied["image"], newly_denied["code"], newly_denied["namespace"]) == (
        "newly denied",
        BAD,
        "no-rule-allows",
        "shop",
    )
    assert newly_denied["first"]["place"] == f"{audit_log}:2"
    assert (newly_allowed["image"], newly_allowed["plugin"]) == (GOOD, OWN)
    assert list(found["notReplayed"].values()) == [1]
    assert found["notAboutAChange"] == {"reads, deletions and connections": 1}


def test_two_policies_are_compared(imagegate: Command, tmp_path: Path) -> None:
    log = write(tmp_path / "reviews.jsonl", [reviewed(GOOD), reviewed(BAD), reviewed("ghcr.io/a/b:1")])
    new, today = config(tmp_path, "quay.io"), config(tmp_path, "docker.io")
    ran = imagegate("replay", "--config", new, "--against", today, log)
    assert ran.code == 1
    assert "newly denied: 1" in ran.out
    assert f"image-policy executionRules[0] no-quay.io [rejected-by-rule]\n            1  {BAD}" in ran.out
    assert "newly allowed: 1" in ran.out
    assert f"3 requests compared with those under {today}: 1 newly denied, 1 newly allowed, 1 same" in ran.out
    assert imagegate("replay", "--config", new, "--against", new, log).code == 0


def test_the_policy_to_compare_with_is_recognised(imagegate: Command, tmp_path: Path) -> None:
    log = write(tmp_path / "reviews.jsonl", [reviewed(GOOD)])
    assert imagegate("replay", *SETTINGS, "--against", CONFIG / "imagegate.yaml", log).code == 0
    policies = CONFIG / "policies/portieris"
    assert imagegate("replay", "--policies", policies, "--against", policies, log).code == 0
    ran = imagegate("replay", *SETTINGS, "--against", log, log)
    assert ran.code == 2
    assert "no settings, no master-config or ImagePolicyConfig, and no policies" in ran.err


@pytest.mark.parametrize(
    "sub_resource, kind, group",
    [
        ("binding", "Binding", "v1"),
        ("eviction", "Eviction", "policy/v1"),
        ("scale", "Scale", "autoscaling/v1"),
        ("status", "Pod", "v1"),
        ("resize", "Pod", "v1"),
    ],
)
def test_sub_resources_that_run_no_image_stay_allowed(
    imagegate: Command, tmp_path: Path, sub_resource: str, kind: str, group: str
) -> None:
    """An audit log holds requests that no webhook of imagegate is asked for."""
    document = {**pod(BAD), "kind": kind, "apiVersion": group}
    place = {"resource": "pods", "subresource": sub_resource, "namespace": "shop", "name": "web"}
    log = write(tmp_path / "audit.log", [event(document, objectRef=place, verb="update", code=200)])
    ran = imagegate("replay", *SETTINGS, log)
    assert ran.code == 0, ran.out
    assert "1 same" in ran.out


def test_ephemeral_containers_are_judged(imagegate: Command, tmp_path: Path) -> None:
    document = pod(GOOD)
    document["spec"]["ephemeralContainers"] = [{"name": "debug", "image": BAD}]
    place = {"resource": "pods", "subresource": "ephemeralcontainers", "namespace": "shop", "name": "web"}
    log = write(tmp_path / "audit.log", [event(document, objectRef=place, verb="update", code=200)])
    assert imagegate("replay", *SETTINGS, log).code == 1


def test_without_a_recorded_verdict_denials_count(imagegate: Command, tmp_path: Path) -> None:
    ran = imagegate("replay", *SETTINGS, write(tmp_path / "r.jsonl", [reviewed(BAD)]))
    assert ran.code == 1
    assert "denied, nothing recorded: 1" in ran.out
    assert imagegate("replay", *SETTINGS, write(tmp_path / "r.jsonl", [reviewed(GOOD)])).code == 0


def test_verdicts_are_those_of_the_webhook(imagegate: Command, tmp_path: Path) -> None:
    service = build(StartupOptions(settings_file=CONFIG / "imagegate.yaml", environ={}))
    reviews = [reviewed(image) for image in (GOOD, BAD, "docker-registry.default.svc:5000/a/b:1", "A B", "nginx")]
    answered = []
    for review in reviews:
        answer = service.reviewer.review(review, Phase.MUTATE)
        if answer["response"]["allowed"]:
            answer = service.reviewer.review(review, Phase.VALIDATE)
        answered.append({**review, "response": answer["response"]})
    ran = imagegate("replay", *SETTINGS, "-o", "json", write(tmp_path / "r.jsonl", answered))
    assert json.loads(ran.out)["summary"]["same"] == len(reviews)
    assert ran.code == 0


def test_the_decision_log_is_replayed(imagegate: Command, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import json, sys\n"
        "from imagegate.core.admission.request import Phase\n"
        "from imagegate.wiring.choices import StartupOptions\n"
        "from imagegate.wiring.runtime import build\n"
        "service = build(StartupOptions(), log_decisions=True)\n"
        "for line in sys.stdin: service.reviewer.review(json.loads(line), Phase.MUTATE)\n"
    )
    reviews = "".join(f"{json.dumps(reviewed(image))}\n" for image in (GOOD, BAD))
    environment = {**os.environ, "IMAGEGATE_SETTINGS": str(CONFIG / "imagegate.yaml")}
    with log.open("wb") as written:
        subprocess.run(
            [sys.executable, "-c", program], input=reviews.encode(), stderr=written, env=environment, check=True
        )
    ran = imagegate("replay", "--config", config(tmp_path, "docker.io"), "-o", "json", log)
    found = json.loads(ran.out)
    assert found["summary"]["newly allowed"] == 1
    assert found["changes"][0]["image"] == BAD
    assert found["notReplayed"] == {"decision log, allowed: the images of an allowed request are not in the log": 1}


class TestInput:
    def test_gzip_and_folders(self, imagegate: Command, audit_log: Path, tmp_path: Path) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        (folder / "audit-2026-11-27.log.gz").write_bytes(gzip.compress(audit_log.read_bytes()) * 2)
        (folder / "notes.txt").write_text("no log")
        ran = imagegate("replay", *SETTINGS, "-o", "json", folder)
        assert json.loads(ran.out)["records"] == 12

    @pytest.mark.parametrize("form", ["json", "yaml", "list"])
    def test_one_document(self, imagegate: Command, tmp_path: Path, form: str) -> None:
        import yaml

        review = reviewed(BAD)
        text = {
            "json": json.dumps(review, indent=2),
            "yaml": f"---\n{yaml.safe_dump(review)}---\n{yaml.safe_dump(review)}",
            "list": json.dumps({"kind": "List", "apiVersion": "v1", "items": [review] * 3}, indent=1),
        }[form]
        path = tmp_path / "review"
        path.write_text(text)
        found = json.loads(imagegate("replay", *SETTINGS, "-o", "json", path).out)
        assert found["replayed"] == {"json": 1, "yaml": 2, "list": 3}[form]
        assert not found["errors"]

    def test_standard_input(self, audit_log: Path) -> None:
        command = [sys.executable, "-m", "imagegate", "replay", *SETTINGS, "-o", "json", "-"]
        done = subprocess.run(command, input=audit_log.read_bytes(), capture_output=True, check=False)
        assert json.loads(done.stdout)["records"] == 6

    def test_a_pipe_that_is_named(self, imagegate: Command, audit_log: Path, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_bytes(audit_log.read_bytes()))
        writer.start()
        ran = imagegate("replay", *SETTINGS, "-o", "json", pipe)
        writer.join()
        assert json.loads(ran.out)["records"] == 6

    def test_several_processes_add_up_to_the_same(
        self, imagegate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pieces, "PIECE_BYTES", 2000)
        log = write(tmp_path / "audit.log", [event(pod(GOOD if each % 3 else BAD)) for each in range(100)], "broken\n")
        one, two = (json.loads(imagegate("replay", *SETTINGS, "-o", "json", "--jobs", jobs, log).out) for jobs in "12")
        for found in (one, two):
            del found["seconds"], found["recordsPerSecond"]
        assert one == two
        assert one["summary"]["newly denied"] == 34
        assert one["errors"] == [f"{log}:101: not JSON: {one['errors'][0].partition('not JSON: ')[2]}"]


class TestBroken:
    def test_broken_lines_are_named_and_hide_nothing(self, imagegate: Command, tmp_path: Path) -> None:
        log = write(tmp_path / "audit.log", [event(pod(GOOD))], "{oops\n\n[1]\n\xff\n" + json.dumps(event(pod(BAD))))
        ran = imagegate("replay", *SETTINGS, "-o", "json", log)
        found = json.loads(ran.out)
        assert ran.code == 2
        assert (found["replayed"], found["broken"]) == (2, 3)
        assert [error.split(": ")[0] for error in found["errors"]] == [f"{log}:2", f"{log}:4", f"{log}:5"]
        assert found["errors"][1].endswith("not a JSON object")
        assert f"imagegate: {log}:2: not JSON" in ran.err

    def test_a_first_line_that_is_cut_off(self, imagegate: Command, tmp_path: Path) -> None:
        log = tmp_path / "audit.log"
        log.write_text('sed"}}\n' + json.dumps(event(pod(BAD))) + "\n")
        ran = imagegate("replay", *SETTINGS, "-o", "json", log)
        assert (ran.code, json.loads(ran.out)["replayed"]) == (2, 1)

    def test_a_last_line_that_is_being_written(self, imagegate: Command, tmp_path: Path) -> None:
        log = write(tmp_path / "audit.log", [event(pod(GOOD))], '{"kind":"Event"')
        ran = imagegate("replay", *SETTINGS, log)
        assert ran.code == 2
        assert "the last line ends without a line feed" in ran.err

    def test_gzip_that_ends_early(self, imagegate: Command, audit_log: Path, tmp_path: Path) -> None:
        packed = tmp_path / "audit.log.gz"
        packed.write_bytes(gzip.compress(audit_log.read_bytes())[:-9])
        ran = imagegate("replay", *SETTINGS, "-o", "json", packed)
        found = json.loads(ran.out)
        assert ran.code == 2
        assert found["replayed"] >= 1
        assert "cannot be read from here on" in found["errors"][-1]

    def test_gzip_that_is_damaged(self, imagegate: Command, audit_log: Path, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(audit_log.read_bytes()))
        packed[len(packed) // 2 :] = os.urandom(64)
        (tmp_path / "audit.log.gz").write_bytes(packed)
        ran = imagegate("replay", *SETTINGS, tmp_path / "audit.log.gz")
        assert ran.code == 2
        assert "cannot be read from here on" in ran.err

    def test_a_line_that_is_too_long(self, imagegate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pieces, "LINE_MAX_BYTES", 5000)
        monkeypatch.setattr(pieces, "PIECE_BYTES", 100)
        log = write(tmp_path / "audit.log", [event(pod(GOOD, name="a" * 9000)), event(pod(BAD))])
        ran = imagegate("replay", *SETTINGS, "-o", "json", log)
        found = json.loads(ran.out)
        assert (ran.code, found["replayed"], found["broken"]) == (2, 1, 1)

    def test_a_text_that_is_too_large(
        self, imagegate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pieces, "DOCUMENT_MAX_BYTES", 100)
        path = tmp_path / "review.json"
        path.write_text(json.dumps(reviewed(GOOD), indent=2))
        ran = imagegate("replay", *SETTINGS, path)
        assert ran.code == 2
        assert "write one document a line" in ran.err

    @pytest.mark.parametrize("content", ["", "\n\n", "[]\n", json.dumps(event(None, level="Metadata"))])
    def test_nothing_replayed_is_not_green(self, imagegate: Command, tmp_path: Path, content: str) -> None:
        (tmp_path / "audit.log").write_text(content)
        ran = imagegate("replay", *SETTINGS, tmp_path / "audit.log")
        assert ran.code == 2
        assert "nothing was replayed" in ran.err

    def test_manifests_are_not_replayed(self, imagegate: Command, tmp_path: Path) -> None:
        ran = imagegate("replay", *SETTINGS, write(tmp_path / "pods.json", [pod(GOOD)]))
        assert ran.code == 2
        assert "imagegate check judges manifests" in ran.err

    def test_devices_and_folders_without_logs(self, imagegate: Command, tmp_path: Path) -> None:
        assert imagegate("replay", *SETTINGS, "/dev/zero").code == 2
        (tmp_path / "empty").mkdir()
        ran = imagegate("replay", *SETTINGS, tmp_path / "empty")
        assert ran.code == 2
        assert "nothing to read" in ran.err

    def test_no_policy(self, imagegate: Command, audit_log: Path) -> None:
        assert imagegate("replay", audit_log).code == 2


class TestOffline:
    def test_what_depends_on_a_look_up_is_not_known(self, imagegate: Command, tmp_path: Path) -> None:
        log = write(tmp_path / "r.jsonl", [{**reviewed("quay.io/signed/x:1")}])
        review = reviewed("docker.io/signed/x:1")
        review["request"]["namespace"] = review["request"]["object"]["metadata"]["namespace"] = "signed-demo"
        ran = imagegate("replay", *SETTINGS, write(log, [review]))
        assert ran.code == 3
        assert "not known: 1" in ran.out
        assert "replay asks no server; --online does" in ran.out

    def test_servers_are_asked_where_it_is_allowed(
        self, imagegate: Command, tmp_path: Path, registry_tls: Registry
    ) -> None:
        assert registry_tls.ca is not None
        registry_tls.push_sample("tiny-oci", "team/unsigned:v1")
        review = reviewed(f"{registry_tls.host}/team/unsigned:v1")
        review["request"]["namespace"] = review["request"]["object"]["metadata"]["namespace"] = "signed-demo"
        settings = tmp_path / "settings.yaml"
        settings.write_text(
            f"policies: [{CONFIG / 'policies/sample'}]\n"
            f"registry: {{caFile: {registry_tls.ca.bundle}, allowPrivateAddresses: [127.0.0.1/32]}}\n"
        )
        log = write(tmp_path / "r.jsonl", [review])
        assert imagegate("replay", "--settings", settings, log).code == 3
        ran = imagegate("replay", "--settings", settings, "--online", log)
        assert ran.code == 1
        assert "[signature]" in ran.out


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """The peak of a process for 3 MB of records, and for 60 MB."""
    line = json.dumps(event(None, level="Metadata", filler="x" * 5000)) + "\n"
    peaks = []
    for number in (600, 12_000):
        log = tmp_path / "audit.log"
        log.write_text(line * number + json.dumps(event(pod(GOOD))) + "\n")
        program = (
            "import re, sys\n"
            "from imagegate.cli.main import main\n"
            "code = main(sys.argv[1:])\n"
            "print(re.search('VmHWM:[^0-9]*([0-9]+)', open('/proc/self/status').read())[1], file=sys.stderr)\n"
            "sys.exit(code)\n"
        )
        command = [sys.executable, "-c", program, "replay", *SETTINGS, "-o", "json", str(log)]
        done = subprocess.run(command, capture_output=True, check=True)
        assert json.loads(done.stdout)["records"] == number + 1
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 16, f"{peaks} MiB"


def test_progress_and_rate_on_a_terminal(audit_log: Path) -> None:
    """A terminal sees the bar on standard error; a pipe does not."""
    command = [sys.executable, "-m", "imagegate", "replay", *SETTINGS, "-o", "json", str(audit_log)]
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        out, _ = process.communicate()
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert json.loads(out)["records"] == 6
    assert b"records" in seen
    assert b"/s" in seen
    assert not subprocess.run(command, capture_output=True, check=False).stderr


class TestFormats:
    def test_json_follows_its_schema(self, imagegate: Command, audit_log: Path) -> None:
        with audit_log.open("a") as written:
            written.write("oops\n")
        document = json.loads(imagegate("replay", *SETTINGS, "-o", "json", audit_log).out)
        jsonschema.validate(document, schema("replay.schema.json"))

    def test_junit(self, imagegate: Command, audit_log: Path) -> None:
        root = ET.fromstring(imagegate("replay", *SETTINGS, "-o", "junit", audit_log).out.encode())
        assert root.attrib["failures"] == "1"
        assert root.attrib["skipped"] == "1"

    def test_names_cannot_forge_output(self, imagegate: Command, tmp_path: Path) -> None:
        log = write(tmp_path / "audit.log", [event(pod("::set-output name=x::y\x1b[31m\n##vso[task]"))])
        ran = imagegate("replay", *SETTINGS, log)
        assert "\x1b" not in ran.out
        assert not any(line.strip().startswith("::") or "##vso[" in line for line in ran.out.splitlines())

    def test_the_table_is_cut_and_says_so(self, imagegate: Command, tmp_path: Path) -> None:
        log = write(tmp_path / "audit.log", [event(pod(f"quay.io/evil/x:{number}")) for number in range(9)])
        ran = imagegate("replay", *SETTINGS, "--top", "2", log)
        assert "7 more groups; --top shows more" in ran.out
