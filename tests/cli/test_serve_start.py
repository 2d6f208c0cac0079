"""``imagegate serve`` that cannot start: one sentence, exit code 2."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing

import pytest

from tests.cli.commands import Command


def test_a_used_port(imagegate: Command) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = imagegate("serve", "--bind", address)
    sentence = f"imagegate: {address} is in use by another program; --bind HOST:PORT chooses another address\n"
    assert ran == (2, "", sentence)


@pytest.mark.parametrize("bind", ["localhost:abc", "unix:/x", "localhost:99999"])
def test_what_is_no_address(imagegate: Command, bind: str) -> None:
    ran = imagegate("serve", "--bind", bind)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"imagegate: --bind {bind}: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "bind, sentence",
    [
        ("192.0.2.1:8080", "--bind 192.0.2.1:8080: 192.0.2.1 is not an address of this machine"),
        ("no.such.invalid", "--bind no.such.invalid:8080: no.such.invalid cannot be looked up"),
    ],
)
def test_a_host_that_is_not_here(bind: str, sentence: str) -> None:
    command = [sys.executable, "-m", "imagegate", "serve", "--bind", bind]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"imagegate: {sentence}\n")
