"""What the two transports of answers send, and when they close."""

from __future__ import annotations

import asyncio

import pytest

from imagegate.web.transports import HeadWithBody, LingeringClose


class Recorder(asyncio.Transport):
    """A transport that notes what is done with it."""

    def __init__(self, *, can_write_eof: bool = True) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.done: list[str] = []
        self._can_write_eof = can_write_eof

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def can_write_eof(self) -> bool:
        return self._can_write_eof

    def write_eof(self) -> None:
        self.done.append("end of writing")

    def close(self) -> None:
        self.done.append("close")

    def is_closing(self) -> bool:
        return "close" in self.done


def test_head_and_first_piece_are_one_write() -> None:
    transport = Recorder()
    joined = HeadWithBody(transport)
    for piece in (b"head", b"first", b"second"):
        joined.write(piece)
    assert transport.written == [b"headfirst", b"second"]
    transport = Recorder()
    joined = HeadWithBody(transport)
    joined.write(b"head")
    joined.flush()
    joined.flush()
    assert transport.written == [b"head"]


def test_a_head_that_waits_is_sent_before_the_close() -> None:
    transport = Recorder()
    joined = HeadWithBody(transport)
    joined.write(b"head")
    assert transport.written == []
    joined.close()
    assert (transport.written, transport.done) == ([b"head"], ["close"])


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "TLS"])
def test_a_lingering_close_waits_for_the_client_to_read(plain: bool) -> None:
    async def run() -> None:
        transport, ignored = Recorder(can_write_eof=plain), []
        loop = asyncio.get_running_loop()
        lingering = LingeringClose(transport, loop, lambda: ignored.append(True), linger_s=0.01)
        lingering.write(b"answer")
        lingering.flush()
        lingering.close()
        begun = ["end of writing"] if plain else []
        assert (transport.written, transport.done, ignored) == ([b"answer"], begun, [True])
        await asyncio.sleep(0.05)
        assert transport.done == [*begun, "close"]
        lingering.close()
        assert transport.done == [*begun, "close"]

    asyncio.run(run())
