"""Notes of the processes of one service, with real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from imagegate.adapters.records.process_notes import ProcessNotes

OTHER = """
import sys
from pathlib import Path
from imagegate.adapters.records.process_notes import ProcessNotes
notes = ProcessNotes(Path(sys.argv[1]))
notes.report({"version": "other"})
print(notes.lead(), flush=True)
sys.stdin.read()
"""


def test_one_process_leads_until_it_ends(tmp_path: Path) -> None:
    notes = ProcessNotes(tmp_path)
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not notes.lead()
        notes.report({"version": "own"})
        assert sorted(note["version"] for note in notes.reports()) == ["other", "own"]
        other.communicate("")
    assert notes.lead()
    assert notes.lead()
    assert [note["version"] for note in notes.reports()] == ["own"]


def test_a_note_replaces_the_one_before(tmp_path: Path) -> None:
    notes = ProcessNotes(tmp_path)
    assert notes.note("files") == {}
    notes.put_note("files", {"problem": "one"})
    notes.put_note("files", {"problem": "two"})
    assert notes.note("files") == {"problem": "two"}
    assert [path.name for path in tmp_path.iterdir()] == ["files.json"]


def test_a_damaged_note_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "files.json").write_text('{"problem":')
    assert ProcessNotes(tmp_path).note("files") == {}
    (tmp_path / "files.json").write_text("[]")
    assert ProcessNotes(tmp_path).note("files") == {}
