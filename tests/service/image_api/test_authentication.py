"""What an API server publishes, followed: the last good state stays."""

from __future__ import annotations

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.request_headers import DelegatedAuthentication, RequestHeaders
from imagegate.service.image_api.authentication import FollowedAuthentication
from tests.support.certificates import Authority
from tests.support.processes import wait_until


def test_the_last_good_state_stays(ca: Authority) -> None:
    bundle = ca.bundle.read_text()
    good = DelegatedAuthentication(RequestHeaders(("front-proxy-client",)), bundle, bundle)
    answers: list[Lookup[DelegatedAuthentication]] = [
        Unknown("away"),
        Found(good),
        Absent("gone"),
        Found(DelegatedAuthentication()),
    ]
    followed = FollowedAuthentication(lambda: answers.pop(0))
    assert (followed.current, followed.problem(), followed.client_cas()) == (None, "not read yet", "")
    followed.look()
    assert (followed.current, followed.problem()) == (None, "away")
    followed.look()
    assert (followed.current, followed.problem()) == (good, "")
    assert followed.client_cas().count("BEGIN CERTIFICATE") == 2
    followed.look()
    assert (followed.current, followed.problem()) == (good, "gone")
    followed.look()
    assert followed.problem() == "there is no request-header client CA: the API server's requests are refused"
    assert followed.client_cas() == ""


def test_the_same_state_stays_the_same_object(ca: Authority) -> None:
    bundle = ca.bundle.read_text()
    followed = FollowedAuthentication(lambda: Found(DelegatedAuthentication(request_header_ca=bundle)))
    followed.look()
    first = followed.current
    followed.look()
    assert followed.current is first


def test_a_process_that_begins_has_the_state_of_now_and_not_its_parent_s(ca: Authority) -> None:
    fresh = DelegatedAuthentication(request_header_ca=ca.bundle.read_text())
    answers: list[Lookup[DelegatedAuthentication]] = [Found(DelegatedAuthentication()), Found(fresh)]
    followed = FollowedAuthentication(lambda: answers.pop(0), every_s=60)
    followed.look()
    followed.start()
    assert followed.current == fresh
    followed.stop()


def test_it_is_followed_until_the_end() -> None:
    looks: list[int] = []

    def read() -> Lookup[DelegatedAuthentication]:
        looks.append(1)
        return Unknown("away")

    followed = FollowedAuthentication(read, every_s=0.01)
    followed.start()
    wait_until(lambda: len(looks) > 3, "it to be read again")
    followed.stop()
