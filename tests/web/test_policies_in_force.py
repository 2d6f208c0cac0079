"""One owner of the policies in force: no older policy comes back, whatever dies and whatever lies on disk.

Against the real service. Cluster findings 1 and 12; red team findings 5, 7 and 8; review B1.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.files.test_folders import mounted
from tests.support.in_force import (
    ALLOWED,
    BROKEN,
    FORBIDS,
    PERMITS,
    admitted,
    pod_review,
    policies,
    readyz,
    replaced,
)
from tests.support.processes import wait_until
from tests.support.service import CONFIG, IMAGEGATE, Service, sample_review, serving

ELSEWHERE = "step-3-other-registry"
TWO_LOOKS_S = 1.8
"""By then a change would have been put in force."""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy file in a folder of its own."""
    (tmp_path / "policies").mkdir()
    path = tmp_path / "policies" / "p.yaml"
    path.write_text(PERMITS)
    return path


@contextlib.contextmanager
def forbidding(tmp_path: Path, policy: Path) -> Iterator[Service]:
    """Two workers that began with a policy that permits, took one that forbids, and see a broken file now."""
    with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
        assert admitted(service) == 20
        replaced(policy, FORBIDS)
        wait_until(lambda: admitted(service) == 0, "the new policy in both workers")
        replaced(policy, BROKEN)
        wait_until(lambda: bool(policies(service)["error"]), "the broken file")
        yield service


def everywhere(service: Service, holds: Callable[[dict[str, Any]], object]) -> bool:
    """Whether it holds for what every worker says of policies."""
    return all(holds(policies(service)) for _ in range(12))


def everyone_new(service: Service, before: set[int]) -> bool:
    workers = service.workers()
    return len(workers) == 2 and not workers & before


def kill_one(service: Service) -> None:
    before = service.workers()
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(service.workers() - before) == 1, "a worker in its place")


def kill_both(service: Service) -> None:
    before = service.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: everyone_new(service, before), "new workers")


def hang_up(service: Service) -> None:
    before = service.workers()
    os.kill(service.running.pid, signal.SIGHUP)
    wait_until(lambda: everyone_new(service, before), "new workers")


@pytest.mark.usefixtures("face")
@pytest.mark.parametrize("events", [(kill_one,), (kill_both,), (hang_up,), (kill_one, hang_up, kill_both)])
def test_no_older_policy_comes_back(
    tmp_path: Path, policy: Path, events: tuple[Callable[[Service], None], ...]
) -> None:
    with forbidding(tmp_path, policy) as service:
        version = policies(service)["version"]
        for event in events:
            event(service)
            assert admitted(service, times=40) == 0
            assert admitted(service, ALLOWED) == 20
        wait_until(lambda: len(readyz(service)["processes"]) == 2, "both workers' reports")
        assert {each["version"] for each in readyz(service)["processes"]} == {version}
        assert service.metric("imagegate_policy_reload_failed") == 1
        replaced(policy, PERMITS)
        wait_until(lambda: admitted(service) == 20, "the repaired file")
        wait_until(lambda: readyz(service)["status"] == "ok", "that all is well")


@pytest.mark.usefixtures("face")
def test_no_forbidden_pod_is_admitted_under_load(tmp_path: Path, policy: Path) -> None:
    body = json.dumps(pod_review()).encode()
    with forbidding(tmp_path, policy) as service:
        ends = threading.Event()
        verdicts: list[bool | None] = []

        def client() -> None:
            while not ends.is_set():
                try:
                    verdicts.append(service.post("/admit", body).response["allowed"])
                except (OSError, HTTPException):  # its worker was killed
                    verdicts.append(None)
                time.sleep(0.01)  # leaves processor time to the workers that start

        clients = [threading.Thread(target=client) for _ in range(4)]
        for each in clients:
            each.start()
        try:
            for event in (kill_one, hang_up, kill_one):
                event(service)
                enough = verdicts.count(False) + 50
                wait_until(lambda: verdicts.count(False) >= enough, "verdicts of the new workers")  # noqa: B023
        finally:
            ends.set()
            for each in clients:
                each.join()
    assert verdicts.count(True) == 0
    assert verdicts.count(False) > 150


class TestRestart:
    """Over a restart, where there is a store."""

    @pytest.mark.parametrize("event", ["broken", "folder removed", "a folder in its place", "a pipe in its place"])
    def test_the_last_good_policies_are_used_and_it_is_said(self, tmp_path: Path, policy: Path, event: str) -> None:
        with forbidding(tmp_path, policy):
            pass
        match event:
            case "folder removed":
                shutil.rmtree(policy.parent)
            case "a folder in its place":
                policy.unlink()
                policy.mkdir()
            case "a pipe in its place":
                policy.unlink()
                os.mkfifo(policy)
        with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
            assert admitted(service) == 0
            assert admitted(service, ALLOWED) == 20
            assert service.get("/readyz").status == 200
            assert readyz(service)["status"] == "degraded"
            assert "the files are wrong" in policies(service)["restored"]
            assert str(policy.parent) in policies(service)["error"]
            wait_until(lambda: service.metric("imagegate_policy_restored") == 1, "the metric")
            assert any("before the start" in line["message"] for line in service.log_lines())
            shutil.rmtree(policy.parent, ignore_errors=True)
            policy.parent.mkdir()
            policy.write_text(PERMITS)
            wait_until(lambda: admitted(service) == 20, "the repaired file")
            wait_until(lambda: readyz(service)["status"] == "ok", "that all is well")
            wait_until(lambda: service.metric("imagegate_policy_restored") == 0, "the metric")

    def test_settings_that_are_broken_are_taken_from_before_too(self, tmp_path: Path, policy: Path) -> None:
        settings = tmp_path / "imagegate.yaml"
        settings.write_text(f"policies: [{policy}]\n")
        policy.write_text(FORBIDS)
        with serving(tmp_path, "--settings", settings) as service:
            assert admitted(service) == 0
        for wrong in ("", "policies: [", "polices: []"):
            settings.write_text(wrong)
            with serving(tmp_path, "--settings", settings) as service:
                assert admitted(service) == 0
                assert "imagegate.yaml" in policies(service)["error"]

    def start_fails(self, tmp_path: Path, *options: str | Path, **variables: str) -> str:
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), **variables}
        command: list[str | Path] = [IMAGEGATE, "serve", "--bind", "127.0.0.1:0", *options]
        ended = subprocess.run(
            command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 2, ended.stderr
        return ended.stderr

    def test_without_a_store_a_broken_file_does_not_start(self, tmp_path: Path, policy: Path) -> None:
        policy.write_text(BROKEN)
        blocked = tmp_path / "file"
        blocked.write_text("")
        error = self.start_fails(tmp_path, "--policies", policy.parent, XDG_STATE_HOME=str(blocked))
        assert f"{policy}:2: not YAML" in error

    def test_other_choices_have_policies_of_their_own(self, tmp_path: Path, policy: Path) -> None:
        with forbidding(tmp_path, policy):
            pass
        assert "not YAML" in self.start_fails(tmp_path, "--policies", policy)
        assert "not YAML" in self.start_fails(tmp_path, "--policies", policy.parent, IMAGEGATE_CISE_MODE="warn")

    @pytest.mark.parametrize("damage", ["a byte of a document", "a byte of the list", "a link", "all may write"])
    def test_kept_policies_that_are_damaged_are_refused(self, tmp_path: Path, policy: Path, damage: str) -> None:
        with forbidding(tmp_path, policy):
            pass
        (folder,) = (tmp_path / "state" / "imagegate").glob("images.db.policies/*")
        listed = folder / "newest"
        match damage:
            case "a byte of a document":
                (content,) = (folder / "contents").iterdir()
                content.write_bytes(content.read_bytes()[:-1] + b"\0")
            case "a byte of the list":
                listed.write_bytes(listed.read_bytes().replace(b'"generation": 2', b'"generation": 3'))
            case "a link":
                listed.rename(tmp_path / "elsewhere")
                listed.symlink_to(tmp_path / "elsewhere")
            case "all may write":
                listed.chmod(0o666)
        error = self.start_fails(tmp_path, "--policies", policy.parent)
        assert "not YAML" in error
        assert str(folder) in error
        replaced(policy, FORBIDS)
        with serving(tmp_path, "--policies", policy.parent) as service:  # with good files they are not needed
            assert admitted(service) == 0
            wait_until(lambda: readyz(service)["status"] == "ok", "that all is well")

    def test_weaker_files_wait_as_at_a_reload(self, tmp_path: Path) -> None:
        config = tmp_path / "master-config.yaml"
        text = (CONFIG / "master-config.yaml").read_text()
        config.write_text(text)
        review = sample_review(ELSEWHERE)
        with serving(tmp_path, "--config", config) as service:
            assert service.post("/validate", review).response["allowed"] is False
        config.write_text(text[:1500])
        with serving(tmp_path, "--config", config, workers=2) as service:
            assert service.post("/validate", review).response["allowed"] is False
            assert policies(service)["held"]
            hang_up(service)
            assert service.post("/validate", review).response["allowed"] is True, "somebody asked for it"


class TestAccidents:
    """Files that are good as they stand, and are not what anybody meant."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        path = tmp_path / "master-config.yaml"
        shutil.copy(CONFIG / "master-config.yaml", path)
        return path

    @pytest.fixture
    def service(self, tmp_path: Path, config: Path) -> Iterator[Service]:
        settings = tmp_path / "imagegate.yaml"
        settings.write_text(f"config: {config.name}\ncise: {{}}\ndocuments: {{weakerAfterS: 4}}\n")
        with serving(tmp_path, "--settings", settings, workers=2) as service:
            yield service

    def denies(self, service: Service) -> bool:
        review = sample_review(ELSEWHERE)
        paths = ("/validate/image-policy",) * 8
        return not any(service.post(path, review).response["allowed"] for path in paths)

    def test_a_file_that_is_cut_off_is_never_put_in_force(self, service: Service, config: Path) -> None:
        text = config.read_text()
        generation = policies(service)["generation"]
        for length in (300, 400, 600, 700, 1000, 1300, 1500, 1600, 2000, 2400, 2800):
            config.write_text(text[:length])
            until = time.monotonic() + TWO_LOOKS_S
            while time.monotonic() < until:
                assert self.denies(service), length
            assert policies(service)["generation"] == generation, length
            assert readyz(service)["status"] == "degraded", length
        config.write_text(text)
        wait_until(lambda: readyz(service)["status"] == "ok", "the whole file")

    def test_what_would_change_is_said_everywhere_and_counts_after_a_while(
        self, service: Service, config: Path
    ) -> None:
        text = config.read_text()
        config.write_text(text[: text.index("imagePolicyConfig:")] + "imagePolicyConfig: {}\n")
        wait_until(lambda: everywhere(service, lambda found: found["held"]), "that it waits")
        held = policies(service)["held"]
        assert "import-gate is switched off" in held["reasons"]
        assert "import-gate: 4 rules -> off" in held["rules"]
        assert service.metric("imagegate_policy_reload_held") == 1
        assert service.metric("imagegate_policy_rules", plugin="import-gate", state="in-force") == 4
        assert service.metric("imagegate_policy_rules", plugin="import-gate", state="held") == 0
        assert "import-gate" in policies(service)["plugins"]
        wait_until(
            lambda: everywhere(service, lambda found: "import-gate" not in found["plugins"] and not found["held"]),
            "the second reason",
        )
        (line,) = [line for line in service.log_lines() if line["message"].startswith("rules changed")]
        assert "import-gate: 4 rules -> off" in line["rules"]

    def test_a_file_that_keeps_changing_does_not_count(self, service: Service, config: Path) -> None:
        text = config.read_text()
        for number in range(12):
            config.write_text(text.replace("- docker.io\n", f"- quay.io # {number}\n"))
            time.sleep(0.25)
            assert policies(service)["generation"] == 1

    def test_emptied_settings_are_refused_however_long_they_stay(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "imagegate.yaml").write_text("")
        wait_until(lambda: "the file is empty" in policies(service)["error"], "the error")
        time.sleep(5)
        assert self.denies(service)

    def test_settings_of_defaults_wait_and_sighup_is_a_reason(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "imagegate.yaml").write_text("{}")
        wait_until(lambda: everywhere(service, lambda found: found["held"]), "that they wait")
        assert "cise is switched off" in policies(service)["held"]["reasons"]
        assert self.denies(service)
        hang_up(service)
        assert policies(service)["plugins"] == []


def test_a_mounted_config_map_is_followed_through_200_swaps(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted(folder, "p.yaml", PERMITS.replace("quay.io", "n1.example.com"), 1)
    with serving(tmp_path, "--policies", folder, workers=2) as service:
        assert admitted(service, "n1.example.com/x:1") == 20
        for number in range(2, 202):
            mounted(folder, "p.yaml", PERMITS.replace("quay.io", f"n{number}.example.com"), number)
            shutil.rmtree(folder / f"..2026_11_27_00_00_00.{number - 1}")
            time.sleep(0.01)
        wait_until(lambda: admitted(service, "n201.example.com/x:1") == 20, "the last one", timeout_s=10)
        assert admitted(service, "n200.example.com/x:1") == 0
        wait_until(lambda: readyz(service)["status"] == "ok", "that all is well")


def test_all_workers_are_shown_and_those_that_ended_are_not(tmp_path: Path, policy: Path) -> None:
    with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
        wait_until(lambda: len(readyz(service)["processes"]) == 2, "both reports")
        for _ in range(3):
            kill_one(service)
        wait_until(
            lambda: {each["pid"] for each in readyz(service)["processes"]} == service.workers(), "the living alone"
        )
        looks = {each["pid"]: each["look"] for each in readyz(service)["processes"]}
        wait_until(
            lambda: all(each["look"] > looks[each["pid"]] for each in readyz(service)["processes"]), "later looks"
        )


def test_a_leader_that_ends_is_replaced(tmp_path: Path, policy: Path) -> None:
    with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
        wait_until(lambda: sum(each["leads"] for each in readyz(service)["processes"]) == 1, "a leader")
        (leader,) = [each["pid"] for each in readyz(service)["processes"] if each["leads"]]
        os.kill(leader, signal.SIGKILL)
        replaced(policy, FORBIDS)
        wait_until(lambda: admitted(service) == 0, "the new policy, by another leader", timeout_s=10)
        (other,) = [each["pid"] for each in readyz(service)["processes"] if each["leads"]]
        assert other != leader


class TestSignsOfWholeDocuments:
    """``# imagegate: end`` and ``FILE.sha256``, for those who want certainty."""

    MARKED = f"{PERMITS}# imagegate: end\n"

    def test_a_marker_that_was_there_may_not_be_lost(self, tmp_path: Path, policy: Path) -> None:
        policy.write_text(self.MARKED)
        with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
            replaced(policy, FORBIDS)  # other rules, whole lines, but no marker
            wait_until(lambda: everywhere(service, lambda found: found["held"]), "that it waits")
            assert policies(service)["held"]["until"] is None, "for an operator alone"
            assert admitted(service) == 20
            replaced(policy, f"{FORBIDS}# imagegate: end\n")
            wait_until(lambda: admitted(service) == 0, "the marked document")

    def test_a_checksum_makes_two_files_one(self, tmp_path: Path, policy: Path) -> None:
        sums = policy.with_name("p.yaml.sha256")

        def say(text: str) -> None:
            replaced(sums, f"{hashlib.sha256(text.encode()).hexdigest()}  p.yaml\n")

        say(PERMITS)
        with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
            replaced(policy, FORBIDS)
            wait_until(lambda: everywhere(service, lambda found: found["error"]), "that the checksum does not fit")
            assert admitted(service) == 20
            say(FORBIDS)
            wait_until(lambda: admitted(service) == 0, "both files")
            sums.unlink()
            replaced(policy, PERMITS)
            wait_until(lambda: everywhere(service, lambda found: found["held"]), "that it waits")
            assert "p.yaml.sha256 is gone" in policies(service)["held"]["reasons"][0]
            hang_up(service)
            assert admitted(service) == 20

    @pytest.mark.parametrize("ending, why", [("marker", "the last line is not"), ("checksum", "no p.yaml.sha256")])
    def test_what_is_required_at_the_start_is_required_of_every_document(
        self, tmp_path: Path, policy: Path, ending: str, why: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IMAGEGATE_DOCUMENTS_ENDING", ending)
        assert why in TestRestart().start_fails(tmp_path, "--policies", policy.parent)
        policy.write_text(self.MARKED)
        digest = hashlib.sha256(self.MARKED.encode()).hexdigest()
        policy.with_name("p.yaml.sha256").write_text(f"{digest}  p.yaml\n")
        with serving(tmp_path, "--policies", policy.parent) as service:
            assert admitted(service) == 20


def test_what_only_forbids_more_is_not_held(tmp_path: Path, policy: Path) -> None:
    """A deletion at the end of a file is its beginning; an operator who forbids in a hurry must not wait."""
    policy.write_text(PERMITS.replace("quay.io", "gcr.io") + '  - {name: "quay.io/*", policy: }\n')
    with serving(tmp_path, "--policies", policy.parent, workers=2) as service:
        assert admitted(service) == 20
        policy.write_text(PERMITS.replace("quay.io", "gcr.io"))
        wait_until(lambda: admitted(service) == 0, "the shorter list", timeout_s=8)
        assert policies(service)["held"] is None
