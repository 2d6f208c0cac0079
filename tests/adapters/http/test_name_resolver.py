"""Names whose look-up hangs cost those who ask for them, and nobody else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from imagegate.adapters.http.name_resolver import NameResolver, ResolverLimits
from imagegate.core.registry.special_addresses import Address
from imagegate.errors import Unreachable

LIMITS = ResolverLimits(threads=6, reserved=2, per_domain=2, hanging_s=0.2, refused_after_s=0.5, refused_for_s=0.4)
HERE = [ip_address("192.0.2.1")]


class NameServers:
    """Names below ``slow*`` have no answer until ``release`` is set; then they fail. Others have one at once."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[Address]:
        self.asked.append(host)
        if ".slow" in host:
            self.release.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host.startswith("absent"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return HERE


@pytest.fixture
def servers() -> Iterator[NameServers]:
    servers = NameServers()
    yield servers
    servers.release.set()


@pytest.fixture
def resolver(servers: NameServers) -> NameResolver:
    return NameResolver(servers, limits=LIMITS)


def took(resolver: NameResolver, host: str, within_s: float = 2.0) -> tuple[object, float]:
    """The answer or what was raised, and the seconds until then."""
    started = time.monotonic()
    try:
        answer: object = resolver.resolve(host, within_s=within_s)
    except Unreachable as error:
        answer = str(error)
    return answer, time.monotonic() - started


def hang(resolver: NameResolver, *hosts: str, within_s: float = 0.05) -> None:
    """Ask for names that hang, until each of them has a look-up under way."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: took(resolver, host, within_s), hosts))


def test_an_answer_and_none(resolver: NameResolver) -> None:
    assert resolver.resolve("r.example", within_s=1) == HERE
    assert resolver.resolve("r.example", within_s=None) == HERE
    with pytest.raises(Unreachable, match=r"cannot resolve absent\.example: .*not known"):
        resolver.resolve("absent.example", within_s=1)


def test_a_name_that_hangs_costs_its_asker_his_own_time(resolver: NameResolver) -> None:
    answer, seconds = took(resolver, "a.slow.example", 0.3)
    assert answer == "no answer in time for the name a.slow.example"
    assert 0.25 < seconds < 1


def test_names_that_hang_do_not_keep_others_waiting(resolver: NameResolver) -> None:
    hang(resolver, *(f"{number}.slow.example" for number in range(8)))
    for host in ("r.example.org", "registry", "localhost"):
        answer, seconds = took(resolver, host)
        assert answer == HERE
        assert seconds < 0.15


def test_one_name_is_looked_up_once_whoever_asks(resolver: NameResolver, servers: NameServers) -> None:
    hang(resolver, *["a.slow.example"] * 20)
    assert servers.asked == ["a.slow.example"]


def test_below_one_registrable_name_there_is_room_for_a_few(resolver: NameResolver, servers: NameServers) -> None:
    hang(resolver, *(f"{number}.slow.example" for number in range(20)), within_s=0.5)
    assert len(servers.asked) == LIMITS.per_domain
    answer, seconds = took(resolver, "next.slow.example")
    assert "is not looked up: 2 other names" in str(answer)
    assert seconds < 0.15


def test_many_registrable_names_that_hang(resolver: NameResolver, servers: NameServers) -> None:
    """Nobody waits for room behind them; names that were answered lately have room of their own."""
    assert resolver.resolve("known.example.org", within_s=1) == HERE
    hang(resolver, *(f"a.slow{number}.example" for number in range(20)), within_s=0.5)
    hang(resolver, *(f"{number}.slow.example{number}" for number in range(20)), within_s=0.5)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("resolve ")]
    assert len(threads) <= LIMITS.threads + LIMITS.reserved
    answer, seconds = took(resolver, "known.example.org")
    assert answer == HERE
    assert seconds < 0.15
    answer, seconds = took(resolver, "new.example.net")
    assert "is not looked up: 6 other names" in str(answer)
    assert seconds < 0.15
    servers.release.set()
    deadline = time.monotonic() + 5
    while took(resolver, "new.example.net")[0] != HERE:
        assert time.monotonic() < deadline


def test_a_name_that_hangs_is_refused_at_once_for_a_while(resolver: NameResolver, servers: NameServers) -> None:
    took(resolver, "a.slow.example", 0.6)
    answer, seconds = took(resolver, "a.slow.example")
    assert "no answer for the name a.slow.example since" in str(answer)
    assert seconds < 0.15
    servers.release.set()
    time.sleep(0.1)
    answer, seconds = took(resolver, "a.slow.example")
    assert "lately" in str(answer)
    assert servers.asked == ["a.slow.example"]
    time.sleep(LIMITS.refused_for_s)
    answer, _ = took(resolver, "a.slow.example")
    assert "Temporary failure" in str(answer)
    assert servers.asked == ["a.slow.example"] * 2


def test_a_quick_failure_is_not_remembered(resolver: NameResolver, servers: NameServers) -> None:
    for _ in range(3):
        assert "not known" in str(took(resolver, "absent.example")[0])
    assert len(servers.asked) == 3


def test_a_burst_of_quick_names_all_get_their_turn(servers: NameServers) -> None:
    def slowish(host: str) -> list[Address]:
        time.sleep(0.02)
        return servers(host)

    resolver = NameResolver(slowish, limits=LIMITS)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda number: took(resolver, f"{number}.example.org")[0], range(40)))
    assert answers == [HERE] * 40


def test_the_systems_resolver() -> None:
    assert ip_address("127.0.0.1") in NameResolver().resolve("localhost", within_s=5)
    with pytest.raises(Unreachable, match="cannot resolve"):
        NameResolver().resolve("a" * 64 + ".localhost", within_s=5)
