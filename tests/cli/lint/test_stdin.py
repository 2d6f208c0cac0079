"""``imagegate lint --stdin``: what an editor asks on every change."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import Command, Ran
from tests.support.enforcement_setup import policy


class TestStandardInput:
    """``--stdin``, as an editor asks on every change."""

    def lint(self, imagegate: Command, monkeypatch: pytest.MonkeyPatch, text: str, *options: str | Path) -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return imagegate("lint", "--stdin", *options)

    def test_findings_name_the_file_that_is_edited(self, imagegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        text = policy("{name: a}", "{name: a}", "{name: 5}")
        ran = self.lint(imagegate, monkeypatch, text, "--stdin-filename", "team/p.yaml")
        assert (ran.code, ran.out) == (
            1,
            "team/p.yaml:9: error: spec.repositories[2].name: expected string, got number 5; quote it [invalid]\n",
        )
        ran = self.lint(imagegate, monkeypatch, text.replace("{name: 5}", "{name: b}"), "-q")
        assert ran.code == 0
        assert ran.out.startswith("<stdin>:8: warning: spec.repositories[1]: ")

    def test_files_that_it_names_are_beside_it(
        self, imagegate: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "rules.yaml").write_text("kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules: [{nme: a}]\n")
        text = "admissionConfig: {pluginConfig: {openshift.io/ImagePolicy: {location: rules.yaml}}}\n"
        ran = self.lint(imagegate, monkeypatch, text, "--stdin-filename", tmp_path / "master-config.yaml")
        assert ran.code == 1
        assert f"{tmp_path}/rules.yaml:3: error: executionRules[0].nme: unknown field" in ran.out

    def test_hostile_text(self, imagegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        for text, message in (("[" * 5000, "nested deeper"), ("a: *x", "names no anchor"), ("", "contains no policy")):
            ran = self.lint(imagegate, monkeypatch, text)
            assert message in ran.out
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
        assert "not UTF-8" in imagegate("lint", "--stdin").out

    def test_one_or_the_other(self, imagegate: Command, tmp_path: Path) -> None:
        for arguments in ((), ("--stdin", tmp_path)):
            ran = imagegate("lint", *arguments)
            assert ran.code == 2
            assert "or give one text with --stdin" in ran.err

    def test_an_editor_does_not_wait_for_settings(self) -> None:
        """What a policy needs: neither the settings nor a service are imported."""
        code = (
            "import sys; from imagegate.cli.main import main; main(['lint', '--stdin', '-q']); "
            "print([name for name in sys.modules if name.startswith(('imagegate.settings', 'imagegate.wiring'))])"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, input=policy("{name: a}"), capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == "[]\n"
