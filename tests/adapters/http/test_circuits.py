"""A server that does not answer is not asked for a while; nobody can have a good one shut out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.adapters.http.circuits import Circuit, CircuitLimits, CircuitOpen, Circuits, Failure, State

LIMITS = CircuitLimits(failures=3, new_failures=3, subjects=2, patience_s=1, open_s=5, open_max_s=12, servers=4)
HOST = "r.example"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuits(clock: Clock) -> Circuits:
    return Circuits(LIMITS, clock=clock)


def fail(circuits: Circuits, times: int, server: str = HOST, *, subject: str = "", status: int = 0) -> None:
    for _ in range(times):
        permit = circuits.permit(server, subject=subject)
        if status:
            permit.answered(status)
        else:
            permit.failed(Failure.CONNECTION, connected=bool(subject))


def states(circuits: Circuits) -> dict[str, State]:
    return {each.server: each.state for each in circuits.unclosed()}


def is_refused(circuits: Circuits, server: str = HOST, *, subject: str = "") -> bool:
    """True if a request would be refused; one that is not says nothing of the server."""
    try:
        circuits.permit(server, subject=subject).unclear()
    except CircuitOpen:
        return True
    return False


def test_it_opens_after_some_failures_in_a_row_and_says_what_and_until_when(circuits: Circuits) -> None:
    fail(circuits, 2)
    assert not is_refused(circuits)
    fail(circuits, 1)
    with pytest.raises(
        CircuitOpen, match=r"r\.example is not asked since ..:..:.. UTC: no connection; tried again at ..:..:.. UTC"
    ):
        circuits.permit(HOST)
    assert circuits.problem(HOST).startswith("r.example is not asked")
    [shown] = circuits.unclosed()
    assert isinstance(shown, Circuit)
    assert (shown.state, shown.why) == (State.OPEN, Failure.CONNECTION)
    assert 4.5 < (shown.probe_at - shown.since).total_seconds() < 5.5


def test_an_answer_in_between_starts_the_count_again(circuits: Circuits) -> None:
    for _ in range(10):
        fail(circuits, 2)
        circuits.permit(HOST, subject="team/app").answered(200)
    assert states(circuits) == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429])
def test_answers_that_refuse_are_not_failures(circuits: Circuits, status: int) -> None:
    for number in range(20):
        circuits.permit(HOST, subject=f"evil/{number}").answered(status)
    assert states(circuits) == {}
    assert not is_refused(circuits)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_failures(circuits: Circuits, status: int) -> None:
    for number in range(3):
        fail(circuits, 1, subject=f"team/{number}", status=status)
    assert states(circuits) == {HOST: State.OPEN}


def test_one_slow_repository_does_not_shut_out_its_registry(circuits: Circuits) -> None:
    fail(circuits, 50, subject="team/slow")
    assert not is_refused(circuits, subject="team/good")
    fail(circuits, 1, subject="team/slow-too")
    assert is_refused(circuits, subject="team/good")


def test_a_401_is_a_sign_of_life_but_no_answer(circuits: Circuits) -> None:
    """A registry that says 401 at once, and then hangs with the token, is shut out all the same."""
    for number in range(3):
        assert not is_refused(circuits)
        circuits.permit(HOST, subject=f"team/{number}").answered(401)
        fail(circuits, 1, subject=f"team/{number}")
    assert states(circuits) == {HOST: State.OPEN}


def test_after_such_a_sign_the_next_failure_opens_it_again_for_longer(circuits: Circuits, clock: Clock) -> None:
    for number in range(3):
        fail(circuits, 1, subject=f"team/{number}")
    clock.now += 5
    circuits.permit(HOST, subject="team/other").answered(401)
    assert states(circuits) == {}
    fail(circuits, 1, subject="team/other")
    assert states(circuits) == {HOST: State.OPEN}
    clock.now += 9.9  # twice the first pause is 10
    assert is_refused(circuits)
    clock.now += 0.2
    assert not is_refused(circuits)


def test_a_server_that_was_not_reached_is_back_with_any_sign_of_life(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, 3)
    clock.now += 5
    circuits.permit(HOST).answered(401)
    assert states(circuits) == {}
    fail(circuits, 2)
    assert states(circuits) == {}


def test_one_probe_at_a_time_closes_it_or_opens_it_for_twice_as_long(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, 3)
    for pause_s in (5, 10, 12, 12):  # doubled, up to the limit
        clock.now += pause_s - 0.1
        assert is_refused(circuits)
        clock.now += 0.2
        probe = circuits.permit(HOST, subject="team/app")
        assert states(circuits) == {HOST: State.HALF_OPEN}
        assert "it is being tried now" in circuits.problem(HOST)
        assert is_refused(circuits), "a second request while the probe is under way"
        probe.failed(Failure.TIME_OUT)
        assert states(circuits) == {HOST: State.OPEN}
    clock.now += 12
    circuits.permit(HOST, subject="team/app").answered(200)
    assert states(circuits) == {}
    assert not is_refused(circuits)
    assert circuits.problem(HOST) == ""


def test_a_probe_that_tells_nothing_makes_way_for_the_next(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, 3)
    clock.now += 5
    circuits.permit(HOST).unclear()
    assert not is_refused(circuits)
    circuits.permit(HOST, subject="team/app").answered(404)
    assert states(circuits) == {}


def test_repositories_that_failed_are_probed_last(circuits: Circuits, clock: Clock) -> None:
    """Else somebody with slow repositories could fail every probe of a registry that is well again."""
    for number in range(3):
        fail(circuits, 1, subject=f"evil/{number}")
    clock.now += 5
    assert is_refused(circuits, subject="evil/1")
    circuits.permit(HOST, subject="team/good").answered(200)
    assert not is_refused(circuits, subject="evil/1")


def test_registries_of_which_nothing_else_is_wanted_are_probed_too(circuits: Circuits, clock: Clock) -> None:
    for number in range(3):
        fail(circuits, 1, subject=f"team/{number}")
    clock.now += 10
    circuits.permit(HOST, subject="team/1").answered(200)
    assert states(circuits) == {}


def test_a_server_that_has_never_answered_has_less_credit(clock: Clock) -> None:
    circuits = Circuits(CircuitLimits(failures=5, new_failures=2), clock=clock)
    fail(circuits, 2, "new.example")
    circuits.permit("old.example", subject="team/app").answered(404)
    fail(circuits, 4, "old.example")
    assert states(circuits) == {"new.example": State.OPEN}
    fail(circuits, 1, "old.example")
    assert states(circuits) == {"new.example": State.OPEN, "old.example": State.OPEN}


def test_but_not_for_its_repositories(clock: Clock) -> None:
    circuits = Circuits(CircuitLimits(failures=5, new_failures=2, subjects=3), clock=clock)
    for number in range(4):
        fail(circuits, 1, subject=f"team/{number}")
    assert states(circuits) == {}


def test_retries_of_one_request_count_once(circuits: Circuits) -> None:
    call = object()
    for _ in range(30):
        circuits.permit(HOST, call=call).failed(Failure.CONNECTION, connected=False)
    assert states(circuits) == {}


def test_a_request_with_little_time_cannot_tell(circuits: Circuits) -> None:
    for _ in range(10):
        circuits.permit(HOST).timed_out(0.9, connected=False)
    assert states(circuits) == {}
    for _ in range(3):
        circuits.permit(HOST).timed_out(1.1, connected=False)
    assert states(circuits) == {HOST: State.OPEN}


def test_failures_of_requests_from_before_it_opened_do_not_prolong_it(circuits: Circuits, clock: Clock) -> None:
    late = [circuits.permit(HOST) for _ in range(10)]
    fail(circuits, 3)
    clock.now += 5
    for permit in late:
        permit.failed(Failure.TIME_OUT)
    assert not is_refused(circuits)


def test_servers_do_not_share(circuits: Circuits) -> None:
    fail(circuits, 3, "evil.example")
    assert not is_refused(circuits, "r.example")
    assert not is_refused(circuits, "evil.example:5000")


def test_only_so_many_servers_are_remembered(circuits: Circuits) -> None:
    """Whoever names many hanging hosts has older ones forgotten: they are asked, and no more than that."""
    for number in range(100):
        fail(circuits, 3, f"{number}.evil.example")
    assert len(circuits.unclosed()) == LIMITS.servers
    assert not is_refused(circuits, "0.evil.example")


def test_retry_after_refuses_requests_with_that_credential_alone(circuits: Circuits, clock: Clock) -> None:
    circuits.pause(HOST, "Bearer mine", 600)
    with pytest.raises(
        CircuitOpen, match=r"r\.example is not asked with this credential: too many requests"
    ) as refused:
        circuits.permit(HOST, credential="Bearer mine")
    assert "mine" not in str(refused.value)
    circuits.permit(HOST, credential="Bearer other").unclear()
    circuits.permit(HOST).unclear()
    assert circuits.problem(HOST) == ""
    clock.now += LIMITS.open_max_s  # a server cannot shut itself out for longer
    circuits.permit(HOST, credential="Bearer mine").unclear()


def test_it_can_be_switched_off() -> None:
    circuits = Circuits(CircuitLimits(failures=0))
    fail(circuits, 100)
    circuits.pause(HOST, "Bearer mine", 600)
    assert not is_refused(circuits)


def test_every_change_is_told_with_the_number_of_circuits_that_are_not_closed(circuits: Circuits, clock: Clock) -> None:
    told: list[tuple[State, int]] = []
    circuits.listen(lambda state, number: told.append((state, number)))
    fail(circuits, 3, "a.example")
    fail(circuits, 3, "b.example")
    clock.now += 5
    circuits.permit("a.example").answered(200)
    assert told == [(State.OPEN, 1), (State.OPEN, 2), (State.HALF_OPEN, 2), (State.CLOSED, 1)]


steps = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", "x", "y", "z"]),
    st.sampled_from([0, 200, 401, 404, 429, 503, -1]),
    st.floats(0, 20),
)


@given(st.lists(steps, max_size=60))
def test_whatever_happens_a_server_that_answers_is_soon_asked_again(taken: list[tuple[str, str, int, float]]) -> None:
    clock = Clock()
    circuits = Circuits(LIMITS, clock=clock)
    for server, subject, status, pause_s in taken:
        clock.now += pause_s
        try:
            permit = circuits.permit(server, subject=subject)
        except CircuitOpen:
            continue
        if status > 0:
            permit.answered(status)
        elif status == 0:
            permit.failed(Failure.TIME_OUT)
        else:
            permit.unclear()
    clock.now += LIMITS.open_max_s + LIMITS.open_s
    for server in ("a", "b"):
        circuits.permit(server, subject="x").answered(200)
    assert circuits.unclosed() == []
