"""Many clients in one process: ``python -m bench.crowd drip ...`` or ``... ask ...``. Prints one line of JSON.

``drip PORT COUNT KIND``: so many connections that send a byte each half second, for ever; a connection that the server
closes is opened again. The line is printed when all are connected.

``ask PORT PATH COUNT FILE...``: sends so many reviews at once, each over a connection of its own, the files in turn.
The line has the seconds and the ``allowed`` of each answer, null where there was none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

EVERY_S = 0.5
ANSWER_S = 30.0
_HEAD = b"POST /mutate HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
KINDS = {
    "bodies": (_HEAD + b"Content-Length: 100000\r\n\r\n", b" " * 100_000),
    "headers": (_HEAD, b"X-Filling: " + b"a" * 8_000),
    "handshakes": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"a" * 508),
}
"""What a slow client sends at once, and what it then sends byte by byte. A handshake is the head of a ClientHello."""


async def drip(port: int, count: int, kind: str) -> None:
    """``count`` slow clients, until the process ends."""
    first, rest = KINDS[kind]
    missing = asyncio.Semaphore(0)

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(first)
                missing.release()
                for at in range(len(rest)):
                    await asyncio.sleep(EVERY_S)
                    if reader.at_eof() or writer.is_closing():
                        break
                    writer.write(rest[at : at + 1])
                writer.close()

    clients = [asyncio.create_task(one()) for _ in range(count)]
    for _ in range(count):
        await missing.acquire()
    print(json.dumps({"connected": count}), flush=True)
    await asyncio.gather(*clients)


async def ask(port: int, path: str, count: int, bodies: Sequence[bytes]) -> None:
    """Send ``count`` reviews at once and print how they were answered."""

    async def one(body: bytes) -> tuple[float, bool | None]:
        started = time.perf_counter()
        allowed: bool | None = None
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, KeyError, ValueError):
            async with asyncio.timeout(ANSWER_S):
                allowed = await _answer(port, path, body)
        return time.perf_counter() - started, allowed

    answers = await asyncio.gather(*(one(bodies[number % len(bodies)]) for number in range(count)))
    print(json.dumps([[seconds, allowed] for seconds, allowed in answers]), flush=True)


async def _answer(port: int, path: str, body: bytes) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"POST {path} HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        _, _, content = (await reader.read()).partition(b"\r\n\r\n")
        response = json.loads(content)["response"]
        if response["uid"] != json.loads(body)["request"]["uid"]:
            raise ValueError("an answer to another review")
        return bool(response["allowed"])
    finally:
        writer.close()


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    if arguments[0] == "drip":
        asyncio.run(drip(int(arguments[1]), int(arguments[2]), arguments[3]))
    else:
        bodies = [Path(name).read_bytes() for name in arguments[4:]]
        asyncio.run(ask(int(arguments[1]), arguments[2], int(arguments[3]), bodies))


if __name__ == "__main__":
    main(sys.argv[1:])
