"""The console as people see it, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.browser import Page, browser
from tests.support.processes import wait_until
from tests.support.service import Service, sample_review, serving

LONG_IMAGE = (
    "registry.very-long-company-name.example.com:5000/platform-team/backend/services/payment@sha256:" + "ab" * 32
)
LONG_USER = "system:serviceaccount:openshift-build-controller-operator:builder-dockercfg-x9z"
MARKED = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
PAGES = ("", f"try?image={LONG_IMAGE}", "policies", "images", f"images/{MARKED}/mark", "health")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("seen"), workers=2) as found:
        for name in ("step-2-docker-hub", "step-3-other-registry", "step-4-internal-registry"):
            review = sample_review(name)
            review["request"]["userInfo"]["username"] = LONG_USER
            review["request"]["namespace"] = "team-payments-production-eu-central-1"
            if "step-3" in name:
                review["request"]["object"]["spec"]["containers"][0]["image"] = LONG_IMAGE
            service_answer = found.post("/mutate", review)
            assert service_answer.status == 200
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def address(service: Service, path: str = "") -> str:
    return f"http://127.0.0.1:{service.running.port}/console/{path}"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", PAGES, ids=["decisions", "try", "policies", "images", "mark", "health"])
def test_every_page_fits_and_keeps_nobody_out(service: Service, page: Page, path: str, dark: bool) -> None:
    for width in (1440, 768, 400):
        page.look(width, dark=dark)
        page.open(address(service, path))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} at {width} pixels"
        assert page.barriers() == []
    assert page.console == []


def test_no_word_is_broken_letter_by_letter(service: Service, page: Page) -> None:
    """Cells are as wide as a short word at least: words of one letter a line are not."""
    page.look(1440)
    page.open(address(service))
    widths = page.evaluate("Array.from(document.querySelectorAll('#decisions td'), cell => cell.clientWidth)")
    assert min(widths) >= 40


def test_from_a_live_decision_to_its_reason_and_another_verdict(service: Service, page: Page) -> None:
    page.look(1440)
    page.open(address(service, "?verdict=denied"))
    shown = page.shown
    wait_until(lambda: shown.locator("#live").inner_text() == "live", "the live view")
    review = sample_review("step-3-other-registry")
    review["request"]["userInfo"]["username"] = "live-user"
    service.post("/mutate", review)
    service.post("/mutate", sample_review("step-2-docker-hub"))
    shown.locator("#decisions tr", has_text="live-user").wait_for(timeout=15_000)
    assert shown.locator("#decisions .badge").all_inner_texts().count("allowed") == 0, "the filter holds for new rows"
    shown.locator("#decisions tr", has_text="live-user").locator("a").click()
    assert "no rule allows it" in shown.locator("main").inner_text()
    shown.get_by_role("link", name="Explain this image").click()
    assert "Nearest rule" in shown.locator("main").inner_text()
    shown.get_by_label("Image").fill("172.30.1.1:5000/default/image-policy-check:latest")
    shown.get_by_role("button", name="Try").first.click()
    assert "It would run as openshift/image-policy-check@sha256" in shown.locator("main").inner_text()
    shown.get_by_role("link", name="Images").click()
    shown.get_by_role("link", name=re.compile("^Mark")).first.click()
    shown.get_by_role("button", name="Mark").click()
    assert "deny-execution=true" in shown.locator("main").inner_text()
    page.open(address(service, "try?image=172.30.1.1:5000/default/image-policy-check:latest"))
    assert "execution-denied rejects it" in shown.locator("main").inner_text()
    page.open(address(service, "images"))
    shown.get_by_role("link", name=re.compile("^Unmark")).click()
    shown.get_by_role("button", name="Unmark").click()
    assert "deny-execution=true" not in shown.locator("table").first.inner_text()


def test_a_paused_view_keeps_what_comes(service: Service, page: Page) -> None:
    page.open(address(service))
    shown = page.shown
    wait_until(lambda: shown.locator("#live").inner_text() == "live", "the live view")
    shown.get_by_role("button", name="Pause").click()
    before = shown.locator("#decisions tr").count()
    review = sample_review("step-3-other-registry")
    review["request"]["userInfo"]["username"] = "while-paused"
    service.post("/mutate", review)
    wait_until(
        lambda: "new" in shown.locator("#live").inner_text() and " 0 " not in shown.locator("#live").inner_text(),
        "news",
    )
    assert shown.locator("#decisions tr").count() == before
    shown.get_by_role("button", name="Resume").click()
    assert shown.locator("#decisions tr", has_text="while-paused").count() >= 1


def test_the_keyboard_reaches_everything(service: Service, page: Page) -> None:
    page.look(1440)
    page.open(address(service, "try"))
    reached = []
    for _ in range(14):
        page.shown.keyboard.press("Tab")
        reached.append(
            page.evaluate("(document.activeElement.textContent || document.activeElement.name).trim().slice(0, 30)")
        )
    assert reached[0] == "Skip to the content"
    assert {"Decisions", "Try", "Policies", "Images", "Health", "image", "namespace"} <= set(reached)
