"""The real service: gunicorn, started by the installed command, over HTTP."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate import __version__
from imagegate.service.review.answer_size import PLACES_MAX
from imagegate.web.admission import BODY_MAX_BYTES
from tests.support.processes import free_port, wait_until
from tests.support.service import CONFIG, IMAGEGATE, Service, sample_config, sample_review, serving

DOCKER_HUB, ELSEWHERE, INTERNAL = "step-2-docker-hub", "step-3-other-registry", "step-4-internal-registry"
DIGEST = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    """The service without any option but its kind of worker: sample policies."""
    with serving(tmp_path_factory.mktemp("serve"), "--worker", face) as found:
        yield found


class TestVerdicts:
    """The pods of the manual, chapter 11.5 (docs/spec/image-policy.md 11)."""

    @pytest.mark.parametrize("path", ["/mutate", "/mutate/image-policy", "/validate", "/validate/image-policy"])
    def test_docker_hub_is_allowed_unchanged(self, service: Service, path: str) -> None:
        assert service.post(path, sample_review(DOCKER_HUB)).response == {
            "uid": sample_review(DOCKER_HUB)["request"]["uid"],
            "allowed": True,
        }

    @pytest.mark.parametrize("path", ["/mutate", "/validate"])
    def test_another_registry_is_denied_with_its_place(self, service: Service, path: str) -> None:
        response = service.post(path, sample_review(ELSEWHERE)).response
        assert response["allowed"] is False
        assert (response["status"]["code"], response["status"]["reason"]) == (422, "Invalid")
        assert response["status"]["details"]["causes"][0]["field"] == "spec.containers[0].image"

    def test_the_integrated_registry_is_rewritten_to_the_digest(self, service: Service) -> None:
        answer = service.post("/mutate?timeout=10s", sample_review(INTERNAL))
        assert answer.response["allowed"] is True
        image = f"openshift/image-policy-check@{DIGEST}"
        assert answer.patch == [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]

    def test_what_was_rewritten_passes_the_validating_pass(self, service: Service) -> None:
        review = sample_review(INTERNAL)
        review["request"]["object"]["spec"]["containers"][0]["image"] = f"openshift/image-policy-check@{DIGEST}"
        assert service.post("/validate", review).response["allowed"] is True

    def test_an_unknown_tag_of_the_integrated_registry_is_allowed_unchanged(self, service: Service) -> None:
        response = service.post("/mutate", sample_review("step-5-unknown-tag")).response
        assert response["allowed"] is True
        assert "patch" not in response

    def test_v1beta1_is_answered_in_kind(self, service: Service) -> None:
        review = {**sample_review(DOCKER_HUB), "apiVersion": "admission.k8s.io/v1beta1"}
        assert service.post("/mutate", review).json["apiVersion"] == "admission.k8s.io/v1beta1"

    def test_a_denied_annotation_denies_step_7(self, tmp_path: Path) -> None:
        options = ("--config", CONFIG / "master-config.yaml", "--images", CONFIG / "examples" / "images-denied")
        with serving(tmp_path, *options) as denied:
            response = denied.post("/mutate", sample_review(INTERNAL)).response
        assert response["allowed"] is False
        assert 'rejected by rule "execution-denied"' in response["status"]["message"]

    def test_an_endpoint_without_its_plugin_denies(self, service: Service) -> None:
        response = service.post("/mutate/always-pull", sample_review(DOCKER_HUB)).response
        assert response["allowed"] is False
        assert "imagegate: always-pull not configured" in response["status"]["message"]

    @pytest.mark.parametrize("path", ["/admit", "/admit/trust", "/admit/va"])
    def test_image_enforcement_has_endpoints_of_its_own(self, service: Service, path: str) -> None:
        review = sample_review(ELSEWHERE)
        assert service.post(path, review).response["allowed"] is True  # the image policy is not asked
        review["request"]["namespace"] = "signed-demo"
        response = service.post(path, review).response
        assert response["allowed"] is False
        assert "simple" in response["status"]["message"]


def deep(levels: int) -> bytes:
    review = json.dumps(sample_review(DOCKER_HUB))
    return review.replace('"containers"', f'"deep": {"[" * levels}{"]" * levels}, "containers"').encode()


def without(key: str) -> dict[str, Any]:
    review = sample_review(DOCKER_HUB)
    del review["request"][key]
    return review


class TestBadInput:
    """Each gets a valid answer with a clear reason; the service stays up, in the same worker."""

    @pytest.fixture(autouse=True)
    def stays_up(self, service: Service) -> Iterator[None]:
        workers = service.workers()
        yield
        assert service.post("/mutate", sample_review(DOCKER_HUB)).response["allowed"] is True
        assert service.workers() == workers
        for pid in workers:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            assert int(status["VmHWM"].split()[0]) < 250 * 1024, "kB of memory at most, ever"

    @pytest.mark.parametrize(
        "body, why",
        [
            (json.dumps(sample_review(DOCKER_HUB)).encode()[:-7], "the body is not JSON: "),
            (b"", "the body is empty"),
            (b"[]", "the body is not a JSON object"),
            (b"null", "the body is not a JSON object"),
            (b'{"kind": "Pod", "apiVersion": "v1"}', "expected kind AdmissionReview of admission.k8s.io/v1"),
            (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v2"}', "got kind 'AdmissionReview' of"),
            (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}', "request: required"),
            (json.dumps(without("uid")).encode(), "request.uid: required"),
            (json.dumps(without("kind")).encode(), "request.kind: required"),
            (json.dumps(sample_review(DOCKER_HUB)).encode().replace(b"docker.io", b"\xff\xfe"), "not valid UTF-8"),
            (deep(100_000), "depth limit exceeded"),
            (b"[" * 7_000_000, "depth limit exceeded"),
            (json.dumps(sample_review(DOCKER_HUB)).encode().replace(b"docker.io", b"\\ud800"), "surrogate"),
        ],
    )
    @pytest.mark.parametrize("path", ["/mutate", "/admit"])
    def test_unreadable_reviews_are_a_400_with_a_status(
        self, service: Service, path: str, body: bytes, why: str
    ) -> None:
        answer = service.post(path, body)
        assert answer.status == 400
        status = answer.json
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", 400)
        assert why in status["message"]
        assert len(status["message"]) < 1000
        assert status["message"].startswith("bad request, unable to decode") is (path == "/admit")

    def test_nesting_that_json_readers_take_is_decided(self, service: Service) -> None:
        assert service.post("/mutate", deep(900)).response["allowed"] is True

    def test_a_pod_of_10_000_containers_is_decided(self, service: Service) -> None:
        review = sample_review(ELSEWHERE)
        containers = [{"name": f"c{n}", "image": f"elsewhere.example/x:{n}"} for n in range(10_000)]
        review["request"]["object"]["spec"]["containers"] = containers
        response = service.post("/mutate", review).response
        assert response["allowed"] is False
        causes = response["status"]["details"]["causes"]
        assert len(causes) == PLACES_MAX + 1, "all for the same reason"
        assert causes[-1]["message"] == f"Forbidden: and {10_000 - PLACES_MAX:,} more"

    @pytest.mark.parametrize("announced", [BODY_MAX_BYTES + 1, 100 * 10**6, 10**15])
    def test_a_larger_body_is_refused_unread(self, service: Service, announced: int) -> None:
        with contextlib.closing(service.connection()) as connection:
            connection.putrequest("POST", "/mutate")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(announced))
            connection.endheaders()  # and not one byte of it
            answer = connection.getresponse()
            assert answer.status == 413
            assert json.load(answer)["reason"] == "RequestEntityTooLarge"

    def test_a_body_of_100_mb_in_chunks_is_refused(self, service: Service) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(100):
                yield b" " * 10**6

        with contextlib.closing(service.connection()) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", "/mutate", chunks(), JSON, encode_chunked=True)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                assert connection.getresponse().status == 413

    def test_the_largest_body_is_read(self, service: Service) -> None:
        body = json.dumps(sample_review(DOCKER_HUB)).encode()
        assert service.post("/mutate", body.ljust(BODY_MAX_BYTES)).response["allowed"] is True

    def test_chunks_are_read(self, service: Service) -> None:
        body = json.dumps(sample_review(DOCKER_HUB)).encode()
        parts = iter([body[:100], body[100:]])
        assert service.ask("POST", "/mutate", parts, JSON).response["allowed"] is True

    def test_a_body_that_ends_early_is_no_review(self, service: Service) -> None:
        with socket.create_connection(("127.0.0.1", service.running.port), timeout=30) as raw:
            raw.sendall(
                b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
            )
            raw.shutdown(socket.SHUT_WR)
            answer = raw.makefile("rb").read()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")

    @pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1, 2"])
    def test_a_content_length_that_is_none_is_refused(self, service: Service, length: str) -> None:
        with socket.create_connection(("127.0.0.1", service.running.port), timeout=30) as raw:
            head = "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            raw.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
            answer = raw.makefile("rb").readline()
        assert answer.split()[1] in (b"400", b"413")

    def test_compressed_bodies_are_refused(self, service: Service) -> None:
        assert service.post("/mutate", b"\x1f\x8b", **{"Content-Encoding": "gzip"}).status == 415

    def test_other_media_types_are_refused(self, service: Service) -> None:
        body = json.dumps(sample_review(DOCKER_HUB)).encode()
        assert service.ask("POST", "/mutate", body, {"Content-Type": "text/plain"}).status == 415
        for good in ("application/json; charset=utf-8", "Application/JSON"):
            assert service.ask("POST", "/mutate", body, {"Content-Type": good}).status == 200

    def test_other_methods_are_refused(self, service: Service) -> None:
        answer = service.get("/mutate")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")

    def test_unknown_paths_are_a_404_with_a_status(self, service: Service) -> None:
        answer = service.post("/mutate/nothing", sample_review(DOCKER_HUB))
        assert (answer.status, answer.json["kind"]) == (404, "Status")

    def test_one_connection_serves_many_requests_after_a_refusal(self, service: Service) -> None:
        with contextlib.closing(service.connection()) as connection:
            for body, status in ((b"{", 400), (json.dumps(sample_review(DOCKER_HUB)).encode(), 200), (b"x", 400)):
                connection.request("POST", "/mutate", body, JSON)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == status


class TestOperations:
    @pytest.mark.parametrize("path", ["/livez", "/health/liveness", "/readyz", "/health/readiness"])
    def test_probes(self, service: Service, path: str) -> None:
        assert (service.get(path).status, service.get(path).json["status"]) == (200, "ok")

    def test_readiness_says_which_policies_are_in_force(self, service: Service) -> None:
        policies = service.get("/readyz").json["policies"]
        assert "image-policy" in policies["plugins"]
        assert policies["error"] == ""
        version = service.get("/version").json
        assert (version["version"], version["policies"]) == (__version__, policies["version"])
        assert version["gitVersion"].startswith("v1.")  # what kubectl reads

    def test_metrics_count_decisions_by_plugin_verdict_and_rule(self, service: Service) -> None:
        labels = {"plugin": "image-policy", "verdict": "allowed", "rule": "allow-images-from-dockerhub"}
        before = service.metric("imagegate_decisions_total", **labels)
        reviews = service.metric("imagegate_review_duration_seconds_count", phase="mutate")
        service.post("/mutate", sample_review(DOCKER_HUB))
        assert service.metric("imagegate_decisions_total", **labels) == before + 1
        assert service.metric("imagegate_review_duration_seconds_count", phase="mutate") == reviews + 1

    def test_metrics_of_image_enforcement_and_those_that_portieris_had(self, service: Service) -> None:
        allowed, denied = (f"portieris_pod_admission_decision_{word}_count" for word in ("allow", "deny"))
        before = service.metric(allowed), service.metric(denied)
        review = sample_review(DOCKER_HUB)
        service.post("/admit", review)
        review["request"]["namespace"] = "signed-demo"
        review["request"]["object"]["spec"]["containers"][0]["image"] = "No Such Image"
        service.post("/admit", review)
        assert (service.metric(allowed), service.metric(denied)) == (before[0] + 1, before[1] + 1)
        labels = {"result": "denied", "hook": "mutate", "reason": "invalid-image-name"}
        assert service.metric("imagegate_cise_decisions_total", **labels) >= 1

    def test_every_decision_is_one_json_line(self, service: Service) -> None:
        review = sample_review(ELSEWHERE)
        review["request"]["uid"] = "one-line"
        review["request"]["dryRun"] = True
        service.post("/mutate", review)
        (line,) = [line for line in service.log_lines() if line.get("uid") == "one-line"]
        assert line["message"] == "denied"
        assert line["dryRun"] is True
        assert line["decisions"][0]["plugin"] == "image-policy"


def deny_docker_hub(config: Path) -> None:
    """Let the third rule accept another registry."""
    text = config.read_text()
    assert "- docker.io\n" in text
    config.write_text(text.replace("- docker.io\n", "- quay.io\n"))


@pytest.mark.usefixtures("face")
class TestReload:
    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        return sample_config(tmp_path) / "master-config.yaml"

    @pytest.fixture
    def reloading(self, tmp_path: Path, config: Path) -> Iterator[Service]:
        with serving(tmp_path, "--config", config, workers=2) as found:
            assert found.post("/mutate", sample_review(DOCKER_HUB)).response["allowed"] is True
            yield found

    def all_workers_say(self, service: Service, allowed: bool) -> bool:
        """Whether both workers do; new connections reach either."""
        review = sample_review(DOCKER_HUB)
        return {service.post("/mutate", review).response["allowed"] for _ in range(12)} == {allowed}

    def test_a_changed_file_is_read(self, reloading: Service, config: Path) -> None:
        deny_docker_hub(config)
        wait_until(lambda: self.all_workers_say(reloading, False), "the new policy in both workers")
        assert reloading.metric("imagegate_policy_reload_failed") == 0

    def test_a_file_replaced_by_a_link_is_read(self, tmp_path: Path, config: Path) -> None:
        """As Kubernetes updates a ConfigMap: ``..data`` is switched to another folder."""
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "c.yaml").write_text(config.read_text())
        deny_docker_hub(tmp_path / "two" / "c.yaml")
        (tmp_path / "data").symlink_to("one")
        with serving(tmp_path, "--config", tmp_path / "data" / "c.yaml") as mounted:
            assert mounted.post("/mutate", sample_review(DOCKER_HUB)).response["allowed"] is True
            (tmp_path / "new").symlink_to("two")
            (tmp_path / "new").rename(tmp_path / "data")
            wait_until(
                lambda: mounted.post("/mutate", sample_review(DOCKER_HUB)).response["allowed"] is False,
                "the new folder",
            )

    @pytest.mark.parametrize("bad", ["executionRules: [\n", "kind: MasterConfig\nadmisionConfig: {}\n", ""])
    def test_a_bad_file_keeps_the_last_good_policy_and_says_so(
        self, reloading: Service, config: Path, bad: str
    ) -> None:
        good, version = config.read_text(), reloading.get("/readyz").json["policies"]["version"]
        config.write_text(bad)
        wait_until(lambda: reloading.metric("imagegate_policy_reload_failed") == 1, "the metric")
        wait_until(lambda: "master-config.yaml" in reloading.get("/readyz").json["policies"]["error"], "the detail")
        assert reloading.get("/readyz").status == 200
        assert reloading.get("/readyz").json["policies"]["version"] == version
        assert self.all_workers_say(reloading, True)
        assert any(line["level"] == "error" and "not reloaded" in line["message"] for line in reloading.log_lines())
        config.write_text(good)
        wait_until(lambda: reloading.metric("imagegate_policy_reload_failed") == 0, "the metric after repair")

    def test_sighup_reads_again_without_losing_a_request(self, reloading: Service, config: Path) -> None:
        deny_docker_hub(config)
        os.kill(reloading.running.pid, signal.SIGHUP)
        wait_until(lambda: self.all_workers_say(reloading, False), "the new policy after SIGHUP")

    def test_sighup_with_a_bad_file_keeps_the_last_good_policy(self, reloading: Service, config: Path) -> None:
        before = reloading.workers()
        config.write_text("kind: [\n")
        os.kill(reloading.running.pid, signal.SIGHUP)
        wait_until(lambda: not before & reloading.workers(), "new workers")
        assert self.all_workers_say(reloading, True)
        assert reloading.get("/readyz").json["policies"]["error"]

    def test_a_worker_that_replaces_a_killed_one_has_the_new_policy(self, reloading: Service, config: Path) -> None:
        deny_docker_hub(config)
        wait_until(lambda: self.all_workers_say(reloading, False), "the new policy")
        before = reloading.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(reloading.workers() - before) == 2, "new workers")
        assert self.all_workers_say(reloading, False)


@pytest.mark.usefixtures("face")
class TestEnd:
    def test_sigterm_lets_the_request_under_way_finish(self, tmp_path: Path) -> None:
        body = json.dumps(sample_review(DOCKER_HUB)).encode()
        with serving(tmp_path) as ending:
            with contextlib.closing(ending.connection()) as connection:
                connection.putrequest("POST", "/mutate")
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body[:20])
                time.sleep(0.3)  # so that a thread reads it
                os.kill(ending.running.pid, signal.SIGTERM)
                time.sleep(0.3)
                connection.send(body[20:])
                answer = connection.getresponse()
                assert answer.status == 200
                assert json.load(answer)["response"]["allowed"] is True
            assert ending.running.process.wait(20) == 0

    def test_the_shared_folder_of_metrics_is_removed(self, tmp_path: Path) -> None:
        with serving(tmp_path) as ending:
            maps = Path(f"/proc/{ending.running.pid}/maps").read_text(encoding="utf-8")
            (folder,) = set(re.findall(r"(/dev/shm/imagegate-metrics-[^/]+)/", maps))
            assert Path(folder).is_dir()
            os.kill(ending.running.pid, signal.SIGTERM)
            assert ending.running.process.wait(20) == 0
        assert not Path(folder).exists()

    @pytest.mark.parametrize(
        "options, why",
        [
            (["--config", "missing.yaml"], "missing.yaml"),
            (["--tls-cert", "a.pem"], "belong together"),
            (["--tls-cert", "a.pem", "--tls-key", "b.pem"], "TLS certificate"),
            (["--settings", "missing.yaml"], "missing.yaml"),
        ],
    )
    def test_what_is_wrong_at_the_start_is_said_and_ends_it_with_2(
        self, tmp_path: Path, options: list[str], why: str
    ) -> None:
        command: list[str | Path] = [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{free_port()}", *options]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert why in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_a_port_that_is_taken_is_said(self, tmp_path: Path, service: Service) -> None:
        command: list[str | Path] = [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{service.running.port}"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode != 0
        assert "in use" in ended.stderr


def test_gunicorn_of_ones_own_serves_the_same(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "IMAGEGATE_SETTINGS": str(CONFIG / "imagegate.yaml"),
        "IMAGEGATE_SERVER_PORT": str(port),
    }
    environment["IMAGEGATE_SERVER_WORKERS"] = "1"
    from tests.support.processes import started

    command: list[str | Path] = [Path(sys.executable).parent / "gunicorn", "-c", CONFIG / "gunicorn.conf.py"]
    with started(command, port=port, log=tmp_path / "log", env=environment, cwd=tmp_path) as running:
        own = Service(running)
        assert own.post("/mutate", sample_review(ELSEWHERE)).response["allowed"] is False
        assert own.get("/readyz").status == 200


def test_reviews_side_by_side_are_all_answered(service: Service) -> None:
    """64 connections at once, several requests each: every answer is the right one."""
    import threading

    wrong: list[object] = []

    def ask(number: int) -> None:
        review = copy.deepcopy(sample_review(DOCKER_HUB if number % 2 else ELSEWHERE))
        connection = service.connection()
        for count in range(5):
            review["request"]["uid"] = f"{number}-{count}"
            try:
                connection.request("POST", "/mutate", json.dumps(review), JSON)
                response = json.load(connection.getresponse())["response"]
            except (OSError, http.client.HTTPException, ValueError) as error:
                wrong.append(error)
                return
            if (response["uid"], response["allowed"]) != (f"{number}-{count}", bool(number % 2)):
                wrong.append(response)
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
