"""Whatever a server answers, an update ends with a repository of signed tags or with a reason."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.lookup import Absent, Found, Impossible, Lookup, Unknown
from imagegate.core.content_trust.errors import TrustDataError
from imagegate.core.content_trust.fetches import Fetch, run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.state import TrustState
from imagegate.core.content_trust.update import UpdateResult, update
from tests.support.trust_samples import SAMPLES_NOW, SERVER_ECDSA, SERVER_LOCAL, TrustSample

ROLES = ("root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice")


@cache
def good(sample: TrustSample) -> UpdateResult:
    return run(update(sample.gun, None, Pinning(), SAMPLES_NOW), sample.fetch())


def tags(result: UpdateResult) -> dict[str, object]:
    assert result.repository is not None
    return {role.name: role.targets for role in result.repository.targets_roles}


def check(result: UpdateResult) -> None:
    """Either a reason, or tags that the true publisher has signed, under its own root."""
    if result.error is not None:
        assert isinstance(result.error, TrustDataError)
        assert result.repository is None
        return
    assert tags(result).items() <= tags(good(SERVER_ECDSA)).items()
    assert result.state is not None
    assert TrustState.decode(result.state.encode()) == result.state


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """One file with a piece replaced."""
    role = draw(st.sampled_from(ROLES))
    content = SERVER_ECDSA.content(role)
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(start + 40, len(content))))
    piece = draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b'"', b"{}", b"null", b"1e99", b"\\u0000", b"-1", b"[]"]))
    )
    return role, content[:start] + piece + content[end:]


@given(mutations(), st.booleans())
def test_changed_files(mutation: tuple[str, bytes], knows_the_root: bool) -> None:
    role, content = mutation
    answer = SERVER_ECDSA.fetch()

    def fetch(wanted: Fetch) -> Lookup[bytes]:
        return Found(content) if wanted.role == role else answer(wanted)

    state = good(SERVER_ECDSA).state if knows_the_root else None
    check(run(update(SERVER_ECDSA.gun, state, Pinning(), SAMPLES_NOW), fetch))


ANSWERS = st.one_of(
    st.binary(max_size=64).map(Found),
    st.sampled_from([Found(SERVER_ECDSA.content(role)) for role in ROLES]),
    st.sampled_from([Found(SERVER_ECDSA.content(name)) for name in ("1.root", "2.root", "3.root")]),
    st.sampled_from([Found(SERVER_LOCAL.content(role)) for role in ROLES[:4]]),
    st.sampled_from([Absent("none"), Unknown("503"), Unknown("refused", retryable=False), Impossible("never")]),
)


@given(st.lists(ANSWERS, max_size=12), st.booleans())
def test_answers_in_any_order(answers: list[Lookup[bytes]], knows_the_root: bool) -> None:
    left = iter(answers)
    true = SERVER_ECDSA.fetch()
    state = good(SERVER_ECDSA).state if knows_the_root else None

    def fetch(wanted: Fetch) -> Lookup[bytes]:
        return next(left, None) or true(wanted)

    check(run(update(SERVER_ECDSA.gun, state, Pinning(), SAMPLES_NOW), fetch))
