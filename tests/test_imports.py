"""Importing a module does nothing: it reads, lists and opens nothing outside of the installed code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_IMPORT_ALL = """
import json, os, pkgutil, sys

CODE = tuple(os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, sys.argv[1]))
EVENTS = {"open", "os.listdir", "os.scandir", "sqlite3.connect", "socket.connect", "socket.bind", "subprocess.Popen",
          "os.mkdir", "os.putenv"}
seen = []

def note(event, subject):
    if isinstance(subject, (str, bytes, os.PathLike)):
        subject = os.path.realpath(os.fsdecode(subject))
        if subject.startswith(CODE):
            return
    seen.append(f"{module}: {event} {subject}")

def stat(path, *arguments, **named):
    note("os.stat", path)
    return real_stat(path, *arguments, **named)

import imagegate
names = [found.name for found in pkgutil.walk_packages(imagegate.__path__, "imagegate.")]  # imports the packages
names = [name for name in names if not name.endswith("__main__")]
for name in sys.argv[2:]:
    __import__(name)  # libraries are not ours
module = ""
real_stat, os.stat = os.stat, stat
sys.addaudithook(lambda event, arguments: event in EVENTS and note(event, arguments[0]))
for module in names:
    __import__(module)
print(json.dumps([len(names), seen]))
"""


def test_importing_does_nothing(tmp_path: Path) -> None:
    libraries = ["flask", "gunicorn.app.base", "kubernetes", "prometheus_client", "requests", "rich.console", "yaml"]
    command = [sys.executable, "-c", _IMPORT_ALL, str(ROOT / "imagegate"), *libraries]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    imported, seen = json.loads(done.stdout)
    assert imported > 200
    assert seen == []
