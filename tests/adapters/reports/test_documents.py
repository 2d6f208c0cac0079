"""Places of reports: a contract for folders and HTTPS, and what each of them can do wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.reports import folders
from imagegate.adapters.reports.folders import ListedFiles, ReportFolder
from imagegate.adapters.reports.web_folder import WebDocuments
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.ports.registry import ANONYMOUS
from imagegate.ports.vulnerabilities import FoundDocument, ReportDocuments
from tests.support.certificates import Authority
from tests.support.scan_reports import DIGEST, OTHER
from tests.support.simulator import Request, Response, Simulator

NAME = DIGEST.replace(":", "-")
MODIFIED = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Folder(Simulator):
    """A directory over HTTPS, and answers that are no files."""

    def __init__(self, directory: Path, ca: Authority) -> None:
        super().__init__(tls=ca.server)
        self.directory = directory
        self.next: Response | None = None

    def answer(self, request: Request) -> Response:
        if self.next is not None:
            return self.next
        file = self.directory / request.path.removeprefix("/scans/")
        if not file.is_file():
            return Response(404)
        return Response(body=file.read_bytes(), headers={"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"})


@pytest.fixture
def web(tmp_path: Path, ca: Authority) -> Iterator[Folder]:
    with Folder(tmp_path, ca) as running:
        yield running


def client(ca: Authority) -> HttpClient:
    limits = HttpLimits(attempts=2, backoff_s=0.001)
    return HttpClient(addresses=AddressPolicy.of(("127.0.0.1",)), ca_files=(str(ca.bundle),), limits=limits)


def ask(
    source: ReportDocuments, *, digest: str = DIGEST, max_bytes: int = 1000, deadline_s: float = 10
) -> Lookup[tuple[FoundDocument, ...]]:
    image = ImageReference("registry.example.com", "shop", "web", id=digest)
    return source.documents(image, access=ANONYMOUS, max_bytes=max_bytes, deadline_s=deadline_s)


def found(answer: Lookup[tuple[FoundDocument, ...]]) -> tuple[FoundDocument, ...]:
    assert isinstance(answer, Found)
    return answer.value


def why(answer: Lookup[tuple[FoundDocument, ...]]) -> str:
    assert isinstance(answer, Unknown)
    return answer.why


class TestContract:
    @pytest.fixture(params=["folder", "https"])
    def source(self, request: pytest.FixtureRequest, tmp_path: Path, ca: Authority, web: Folder) -> ReportDocuments:
        if request.param == "folder":
            return ReportFolder(tmp_path)
        return WebDocuments(client(ca), f"{web.url}/scans/", by_digest=True)

    def put(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / f"{NAME}.json"
        file.write_bytes(content)
        os.utime(file, (MODIFIED.timestamp(), MODIFIED.timestamp()))

    def test_by_digest(self, source: ReportDocuments, tmp_path: Path) -> None:
        self.put(tmp_path, b"{}")
        (document,) = found(ask(source))
        assert (document.content, document.names_image, document.modified) == (b"{}", True, MODIFIED)
        assert document.place.endswith(f"/{NAME}.json")
        assert found(ask(source, digest=OTHER)) == ()

    def test_size(self, source: ReportDocuments, tmp_path: Path) -> None:
        self.put(tmp_path, b"x" * 1000)
        assert len(found(ask(source))[0].content) == 1000
        self.put(tmp_path, b"x" * 1001)
        assert "more than 1000 bytes" in why(ask(source))

    @pytest.mark.parametrize("digest", ["", "sha256:..", "../secret", "sha256:" + "AB" * 32, "sha256:ab/../.."])
    def test_what_is_no_digest_becomes_no_path(self, source: ReportDocuments, digest: str) -> None:
        assert "is not a digest" in why(ask(source, digest=digest))


class TestFolder:
    def test_all_files_of_a_digest(self, tmp_path: Path) -> None:
        (tmp_path / NAME).mkdir()
        for name in (f"{NAME}.json", f"{NAME}.sarif", f"{NAME}/b.json", f"{NAME}/a.sarif", f"{NAME}/notes.txt"):
            (tmp_path / name).write_text(name)
        names = [Path(document.place).name for document in found(ask(ReportFolder(tmp_path)))]
        assert names == [f"{NAME}.json", f"{NAME}.sarif", "a.sarif", "b.json"]

    def test_a_folder_that_is_not_there_is_not_an_empty_one(self, tmp_path: Path) -> None:
        assert "is not a folder" in why(ask(ReportFolder(tmp_path / "gone")))

    def test_a_file_in_place_of_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / NAME).write_text("x")
        assert "Not a directory" in why(ask(ReportFolder(tmp_path)))

    def test_a_folder_in_place_of_a_file(self, tmp_path: Path) -> None:
        (tmp_path / f"{NAME}.json").mkdir()
        assert "Is a directory" in why(ask(ReportFolder(tmp_path)))

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / f"{NAME}.json")
        assert "is not a regular file" in why(ask(ReportFolder(tmp_path)))

    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        (tmp_path / f"{NAME}.json").symlink_to(f"{NAME}.json")
        assert "symbolic links" in why(ask(ReportFolder(tmp_path)))

    def test_too_many(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "FILES_MAX", 1)
        (tmp_path / NAME).mkdir()
        for name in "ab":
            (tmp_path / NAME / f"{name}.json").write_text("{}")
        assert "more than 1 documents" in why(ask(ReportFolder(tmp_path)))


class TestListed:
    def test_a_file_or_all_of_a_folder(self, tmp_path: Path) -> None:
        for name in ("a.json", "b.sarif", "c.txt"):
            (tmp_path / name).write_text(name)
        assert [each.content for each in found(ask(ListedFiles(tmp_path)))] == [b"a.json", b"b.sarif"]
        (document,) = found(ask(ListedFiles(tmp_path / "c.txt"), digest="anything"))
        assert not document.names_image

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        assert "does not exist" in why(ask(ListedFiles(tmp_path / "gone")))


class TestWeb:
    def source(self, web: Folder, ca: Authority, *, token: Callable[[], str] | None = None) -> WebDocuments:
        return WebDocuments(client(ca), f"{web.url}/scans", by_digest=True, token=token)

    @pytest.mark.parametrize("status", [204, 400, 401, 403, 410, 418])
    def test_only_404_means_that_there_is_none(self, web: Folder, ca: Authority, status: int) -> None:
        web.next = Response(status)
        assert f"status {status}" in why(ask(self.source(web, ca)))

    @pytest.mark.parametrize(
        "response", [Response(503), Response(429), Response(drop=True), Response(body=b"x" * 99, cut_after=9)]
    )
    def test_outages(self, web: Folder, ca: Authority, response: Response) -> None:
        web.next = response
        assert web.host in why(ask(self.source(web, ca)))

    def test_endless(self, web: Folder, ca: Authority) -> None:
        web.next = Response(body=(b"x" * 100 for _ in iter(web.stopping.is_set, True)))
        assert "more than 1000 bytes" in why(ask(self.source(web, ca)))

    def test_slow(self, web: Folder, ca: Authority) -> None:
        web.next = Response(body=b"{}", delay_s=5)
        before = time.monotonic()
        assert "in time" in why(ask(self.source(web, ca), deadline_s=0.5))
        assert time.monotonic() - before < 3

    def test_a_single_document_must_be_there(self, web: Folder, ca: Authority, tmp_path: Path) -> None:
        source = WebDocuments(client(ca), f"{web.url}/scans/vex.json", by_digest=False)
        assert "status 404" in why(ask(source))
        (tmp_path / "vex.json").write_text("{}")
        assert not found(ask(source))[0].names_image

    def test_the_token_goes_to_the_server_alone(self, web: Folder, ca: Authority, tmp_path: Path) -> None:
        with Folder(tmp_path, ca) as other:
            web.next = Response(302, headers={"Location": f"{other.url}/scans/x"})
            ask(self.source(web, ca, token=lambda: "t0ken\n"))
            assert web.requests[0].headers["authorization"] == "Bearer t0ken"
            assert "authorization" not in other.requests[0].headers

    @pytest.mark.parametrize("token", ["", "two words", "a\nb"])
    def test_a_token_that_is_none(self, web: Folder, ca: Authority, token: str) -> None:
        assert "cannot stand in a header" in why(ask(self.source(web, ca, token=lambda: token)))
        assert web.requests == []

    def test_a_token_that_cannot_be_read(self, web: Folder, ca: Authority, tmp_path: Path) -> None:
        assert "cannot be read" in why(ask(self.source(web, ca, token=(tmp_path / "gone").read_text)))

    def test_a_time_that_is_none(self, web: Folder, ca: Authority) -> None:
        web.next = Response(body=b"{}", headers={"Last-Modified": "then"})
        assert found(ask(self.source(web, ca)))[0].modified is None
