"""A listening socket that lets nobody in any more completes what has begun."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from imagegate.web.listening import is_open_in, let_nobody_in


def test_who_has_connected_is_accepted_and_nobody_else_gets_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=5) as early:
            assert let_nobody_in(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.5)
            accepted, _ = listener.accept()
            with accepted:
                early.sendall(b"ask")
                assert accepted.recv(10) == b"ask"
                accepted.sendall(b"answer")
                assert early.recv(10) == b"answer"


def test_a_client_that_was_not_let_in_is_refused_once_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert let_nobody_in(listener)
        closing = threading.Timer(0.2, listener.close)
        closing.start()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)
        closing.join()


def test_who_shares_the_socket_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as other:
        assert is_open_in(os.getpid(), listener)
        child = os.fork()
        if child == 0:
            listener.close()
            os.kill(os.getpid(), signal.SIGSTOP)  # wait to be looked at
            os._exit(0)
        os.waitpid(child, os.WUNTRACED)
        assert not is_open_in(child, listener)
        assert is_open_in(child, other)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert not is_open_in(child, listener)
