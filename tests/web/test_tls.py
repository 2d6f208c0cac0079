"""TLS that follows its files, and clients with certificates."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from imagegate.service.certificates.served import InvalidCertificate, read_served
from imagegate.web.client_certificates import ClientAuthority
from imagegate.web.tls import Certificates, TlsFiles
from tests.support.certificates import AN_HOUR, Authority, Certificate
from tests.support.processes import free_port, wait_until
from tests.support.service import IMAGEGATE, Service, sample_review, serving


class TestTls:
    @pytest.fixture
    def files(self, tmp_path: Path, ca: Authority) -> tuple[Path, Path]:
        first = ca.issue("127.0.0.1")
        certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        shutil.copy(first.certificate, certificate)
        shutil.copy(first.key, key)
        return certificate, key

    @pytest.fixture
    def trusting(self, ca: Authority) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=ca.bundle)

    @pytest.fixture
    def secure(self, tmp_path: Path, files: tuple[Path, Path], trusting: ssl.SSLContext) -> Iterator[Service]:
        with serving(tmp_path, "--tls-cert", files[0], "--tls-key", files[1], context=trusting) as found:
            yield found

    def serial(self, service: Service) -> object:
        assert service.context is not None
        with (
            socket.create_connection(("127.0.0.1", service.running.port), timeout=30) as raw,
            service.context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            shown = wrapped.getpeercert()
        assert shown is not None
        return shown["serialNumber"]

    def test_reviews_over_https(self, secure: Service) -> None:
        assert secure.post("/mutate", sample_review("step-2-docker-hub")).response["allowed"] is True
        with socket.create_connection(("127.0.0.1", secure.running.port), timeout=30) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " not in plain.makefile("rb").readline()

    def test_a_replaced_certificate_is_shown_and_a_broken_one_is_not(
        self, secure: Service, files: tuple[Path, Path], ca: Authority
    ) -> None:
        before = self.serial(secure)
        second = ca.issue("127.0.0.1")
        shutil.copy(second.certificate, files[0])  # not yet with its key
        assert self.serial(secure) == before
        shutil.copy(second.key, files[1])
        wait_until(lambda: self.serial(secure) != before, "the new certificate")
        files[0].write_text("nonsense")
        assert self.serial(secure) != before
        assert any("not reloaded" in line["message"] for line in secure.log_lines())

    def test_clients_without_a_certificate_are_turned_away_where_one_is_asked_for(
        self, tmp_path: Path, files: tuple[Path, Path], trusting: ssl.SSLContext, ca: Authority
    ) -> None:
        options = ("--tls-cert", files[0], "--tls-key", files[1], "--tls-client-ca", ca.bundle)
        with serving(tmp_path, *options, context=trusting) as secure:
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                secure.get("/livez")
            client = ca.issue("apiserver")
            trusting.load_cert_chain(client.certificate, client.key)
            assert secure.get("/livez").status == 200

    def test_a_key_of_another_certificate_is_refused(self, files: tuple[Path, Path], ca: Authority) -> None:
        with pytest.raises(InvalidCertificate, match=r"tls\.crt: the key is not that of the certificate"):
            Certificates(TlsFiles(files[0], ca.issue("127.0.0.1").key))
        assert Certificates(TlsFiles(*files)).context() is not None


A_DAY = timedelta(days=1)


def mounted(folder: Path, generation: str, pair: Certificate) -> None:
    """Put a pair where the kubelet puts a Secret's: in a new folder, to which a symbolic link is swapped."""
    (folder / generation).mkdir(parents=True)
    shutil.copy(pair.certificate, folder / generation / "tls.crt")
    shutil.copy(pair.key, folder / generation / "tls.key")
    (folder / "..fresh").symlink_to(generation)
    (folder / "..fresh").replace(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


class TestFollowedFiles:
    @pytest.fixture
    def place(self, tmp_path: Path, ca: Authority) -> Path:
        mounted(tmp_path / "mount", "..1", ca.issue("127.0.0.1", file_name="place"))
        return tmp_path / "mount"

    def certificates(self, place: Path, *wanted: str) -> Certificates:
        return Certificates(TlsFiles(place / "tls.crt", place / "tls.key"), wanted)

    def test_a_mounted_secret_that_is_swapped(self, place: Path, ca: Authority) -> None:
        found = self.certificates(place)
        before, context = found.served(), found.context()
        assert found.context() is context
        mounted(place, "..2", ca.issue("127.0.0.1", file_name="swapped"))
        assert found.served().fingerprint != before.fingerprint
        assert found.context() is not context
        assert found.failure() == ""

    @pytest.mark.parametrize(
        "name, content, why",
        [
            ("tls.crt", b"", "no certificate can be read: it is not PEM"),
            ("tls.crt", b"-----BEGIN CERTIFICATE-----\nMIIB", "no certificate can be read: it is not PEM"),
            ("tls.crt", b"\0" * 300_000, "larger than"),
            ("tls.key", b"", "there is no private key"),
            ("tls.key", b"-----BEGIN PRIVATE KEY-----\nMIGH", "there is no private key"),
        ],
    )
    def test_half_a_pair_is_not_taken(self, place: Path, name: str, content: bytes, why: str) -> None:
        found = self.certificates(place)
        context, whole = found.context(), (place / name).read_bytes()
        (place / name).write_bytes(content)
        assert found.context() is context
        assert why in found.failure()
        assert next(check.problem() for check in found.checks()) == ""
        (place / name).write_bytes(whole)
        assert found.failure() == ""

    def test_a_file_that_is_gone(self, place: Path) -> None:
        found = self.certificates(place)
        context = found.context()
        (place / "tls.key").unlink()
        assert found.context() is context
        assert "No such file" in found.failure()

    def test_an_encrypted_key_is_refused_without_asking(self, place: Path) -> None:
        from cryptography.hazmat.primitives import serialization

        key = serialization.load_pem_private_key((place / "tls.key").read_bytes(), None)
        (place / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        with pytest.raises(InvalidCertificate, match="cut off or encrypted"):
            self.certificates(place)

    @pytest.mark.parametrize(
        "valid, names, why",
        [
            ((-A_DAY, -AN_HOUR), ("localhost",), "expired at"),
            ((AN_HOUR, A_DAY), ("localhost",), "not valid before"),
            ((-A_DAY, A_DAY), ("elsewhere",), "not good for localhost: it is for 127.0.0.1, ::1, elsewhere"),
        ],
    )
    def test_a_certificate_that_clients_would_refuse(
        self, place: Path, ca: Authority, valid: tuple[timedelta, timedelta], names: tuple[str, ...], why: str
    ) -> None:
        bad = ca.issue("127.0.0.1", names=names, valid=valid, file_name="bad")
        found = self.certificates(place, "localhost", "127.0.0.1")
        before = found.served()
        mounted(place, "..2", bad)
        assert found.served() == before
        assert why in found.failure()
        at_start = self.certificates(place, "localhost")
        [stopping, files] = at_start.checks()
        assert stopping.stops
        assert why in stopping.problem()
        assert files.problem() == ""
        mounted(place, "..3", ca.issue("127.0.0.1", file_name="good"))
        assert stopping.problem() == ""

    def test_a_certificate_becomes_good_while_nothing_changes(self, place: Path, ca: Authority) -> None:
        found = self.certificates(place)
        soon = ca.issue("127.0.0.1", valid=(timedelta(seconds=2), A_DAY), file_name="soon")
        mounted(place, "..2", soon)
        assert "not valid before" in found.failure()
        wait_until(lambda: found.failure() == "", "the certificate to be valid")

    @pytest.mark.parametrize(
        "name, is_covered",
        [
            ("imagegate.x.svc", True),
            ("IMAGEGATE.x.svc.", True),
            ("a.y.svc", True),
            ("a.b.y.svc", False),
            ("y.svc", False),
            ("127.0.0.1", True),
            ("0:0:0:0:0:0:0:1", True),
            ("127.0.0.2", False),
        ],
    )
    def test_names(self, tmp_path: Path, ca: Authority, name: str, is_covered: bool) -> None:
        issued = ca.issue("x", names=("imagegate.X.svc", "*.y.svc"), file_name="names")
        served = read_served(issued.certificate.read_bytes())
        assert (served.lacks([name]) == []) is is_covered


class TestFurtherAuthorities:
    """CAs of clients that become known while the service runs."""

    def test_they_are_followed_and_damaged_ones_leave_the_last_good_state(self, tmp_path: Path, ca: Authority) -> None:
        more = [""]
        certificates = Certificates(TlsFiles(ca.server.certificate, ca.server.key))
        certificates.trust_also(lambda: more[0])
        assert certificates.context().verify_mode is ssl.CERT_NONE
        other = Authority(tmp_path, "another CA").bundle.read_text()
        more[0] = other
        assert certificates.context().verify_mode is ssl.CERT_OPTIONAL
        assert len(certificates.context().get_ca_certs()) == 1
        more[0] = f"{other}\n{ca.bundle.read_text()}"
        assert len(certificates.context().get_ca_certs()) == 2
        more[0] = "nonsense"
        assert len(certificates.context().get_ca_certs()) == 2
        assert certificates.failure()
        more[0] = other
        assert len(certificates.context().get_ca_certs()) == 1
        assert certificates.failure() == ""

    def test_they_do_not_weaken_a_ca_that_every_client_needs(self, tmp_path: Path, ca: Authority) -> None:
        certificates = Certificates(TlsFiles(ca.server.certificate, ca.server.key, ca.bundle))
        certificates.trust_also(Authority(tmp_path, "another CA").bundle.read_text)
        assert certificates.context().verify_mode is ssl.CERT_REQUIRED
        assert len(certificates.context().get_ca_certs()) == 1


class TestWorkers:
    @pytest.mark.parametrize("worker", ["event-loop", "gthread"])
    def test_every_worker_takes_a_swapped_secret_and_reports_it(
        self, tmp_path: Path, ca: Authority, worker: str
    ) -> None:
        place = tmp_path / "mount"
        mounted(place, "..1", ca.issue("127.0.0.1", file_name=f"{worker}-1"))
        settings = tmp_path / "imagegate.yaml"
        settings.write_text(
            "server: {certificate: {certFile: mount/tls.crt, keyFile: mount/tls.key, names: [localhost]}}\n"
        )
        context = ssl.create_default_context(cafile=ca.bundle)
        options = ("--settings", settings, "--worker", worker)
        with serving(tmp_path, *options, context=context, workers=2) as service:
            first = service.get("/readyz").json["certificate"]
            assert first["names"] == ["127.0.0.1", "::1", "localhost"]
            fresh = ca.issue("127.0.0.1", valid=(-AN_HOUR, A_DAY), file_name=f"{worker}-2")
            mounted(place, "..2", fresh)
            for _ in range(20):
                assert service.get("/readyz").json["certificate"]["sha256"] != first["sha256"]
            assert abs(service.metric("imagegate_serving_certificate_expiry_seconds") - time.time() - 86400) < 60
            mounted(place, "..3", ca.issue("127.0.0.1", names=("elsewhere",), file_name=f"{worker}-3"))
            assert service.metric("imagegate_serving_certificate_reload_failed") == 1
            answer = service.get("/readyz")
            assert answer.status == 200
            assert "not good for localhost" in answer.json["checks"]["certificate files"]

    @pytest.mark.parametrize("worker", ["event-loop", "gthread"])
    def test_a_worker_that_starts_later_has_the_last_good_pair_and_not_that_of_the_start(
        self, tmp_path: Path, ca: Authority, worker: str
    ) -> None:
        place = tmp_path / "mount"
        mounted(place, "..1", ca.issue("127.0.0.1", file_name=f"later-{worker}-1"))
        context = ssl.create_default_context(cafile=ca.bundle)
        options = ("--worker", worker, "--tls-cert", place / "tls.crt", "--tls-key", place / "tls.key")
        with serving(tmp_path, *options, context=context, workers=2) as service:
            start = service.get("/readyz").json["certificate"]["sha256"]
            mounted(place, "..2", ca.issue("127.0.0.1", file_name=f"later-{worker}-2"))
            good = service.get("/readyz").json["certificate"]["sha256"]
            assert good != start
            (place / "..2" / "tls.key").write_text("broken")
            before = service.workers()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: len(service.workers() - before) == 2, "the workers to be replaced")
            for _ in range(10):
                answer = service.get("/readyz").json
                assert answer["certificate"]["sha256"] == good
                assert answer["checks"]["certificate files"] != "ok"

    def test_not_ready_with_a_certificate_that_the_api_server_refuses(self, tmp_path: Path, ca: Authority) -> None:
        pair = ca.issue("127.0.0.1", valid=(-A_DAY, -AN_HOUR), file_name="expired")
        context = ssl.create_default_context(cafile=ca.bundle)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        options = ("--tls-cert", pair.certificate, "--tls-key", pair.key)
        with serving(tmp_path, *options, context=context) as service:
            answer = service.get("/readyz")
            assert answer.status == 503
            assert "the serving certificate expired at" in answer.json["waitingFor"][0]


class TestCallers:
    @pytest.mark.parametrize("worker", ["event-loop", "gthread"])
    def test_reviews_need_a_certificate_and_probes_do_not(self, tmp_path: Path, ca: Authority, worker: str) -> None:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other", "another CA")
        pair = ca.issue("127.0.0.1", file_name=f"callers-{worker}")
        settings = tmp_path / "imagegate.yaml"
        settings.write_text(f"server: {{clientCAFile: {other.bundle}, callers: [kube-apiserver]}}\n")
        options = ("--settings", settings, "--worker", worker, "--tls-cert", pair.certificate, "--tls-key", pair.key)
        review = sample_review("step-2-docker-hub")

        def client(certificate: Certificate | None) -> Service:
            context = ssl.create_default_context(cafile=ca.bundle)
            if certificate is not None:
                context.load_cert_chain(certificate.certificate, certificate.key)
            return Service(service.running, context)

        with serving(tmp_path, *options, context=ssl.create_default_context(cafile=ca.bundle)) as service:
            anybody, caller, another = (
                client(None),
                client(other.issue("kube-apiserver")),
                client(other.issue("somebody")),
            )
            for path in ("/livez", "/readyz", "/metrics"):
                assert anybody.get(path).status == 200, path
            large = {**review, "padding": "x" * 100_000}  # takes another way through the server
            for path in ("/mutate", "/validate", "/admit"):
                for body in (review, large):
                    assert anybody.post(path, body).status == 401, path
                    assert another.post(path, body).status == 403, path
                    assert caller.post(path, body).status == 200, path
            assert "server.clientCAFile requires one" in anybody.post("/mutate", review).json["message"]
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                client(ca.issue("kube-apiserver", file_name="stranger")).get("/livez")

    def test_a_certificate_of_another_ca_with_the_same_name(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        trusted, twin = Authority(tmp_path / "a", "one name"), Authority(tmp_path / "b", "one name")
        authority = ClientAuthority(trusted.bundle)
        good, bad = (each.issue("kube-apiserver").certificate.read_text() for each in (trusted, twin))
        assert authority.issued(ssl.PEM_cert_to_DER_cert(good)) is not None
        assert authority.issued(ssl.PEM_cert_to_DER_cert(bad)) is None
        assert authority.issued(b"") is None
        assert authority.issued(b"\x30\x80") is None
        expired = trusted.issue("x", valid=(-A_DAY, -AN_HOUR)).certificate.read_text()
        assert authority.issued(ssl.PEM_cert_to_DER_cert(expired)) is None

    def test_a_replaced_ca_is_followed_and_a_broken_one_is_not(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        first, second = Authority(tmp_path / "a"), Authority(tmp_path / "b")
        time_s = [0.0]
        path = Path(shutil.copy(first.bundle, tmp_path / "ca.crt"))
        authority = ClientAuthority(path, clock=lambda: time_s[0])
        of_first, of_second = (
            ssl.PEM_cert_to_DER_cert(each.issue("x").certificate.read_text()) for each in (first, second)
        )
        path.write_text("nonsense")
        time_s[0] += 2
        assert authority.issued(of_first) is not None
        shutil.copy(second.bundle, path)
        os.utime(path, ns=(1, 1))
        time_s[0] += 2
        assert authority.issued(of_first) is None
        assert authority.issued(of_second) is not None

    def test_names_without_a_ca(self, tmp_path: Path) -> None:
        settings = tmp_path / "imagegate.yaml"
        settings.write_text("server: {callers: [kube-apiserver]}\n")
        with (
            pytest.raises(AssertionError, match=r"set server\.clientCAFile"),
            serving(tmp_path, "--settings", settings),
        ):
            pass


class TestWrongSettings:
    @pytest.mark.parametrize(
        "server, options, why",
        [
            ("certificate: {certFile: a.pem}", (), "belong together"),
            ("certificate: {certFile: a.pem, keyFile: b.pem}", (), "a.pem: No such file"),
            ("clientCAFile: a.pem", (), "need a certificate of the server's own"),
            ("certificate: {source: self}", ("--tls-cert", "a.pem", "--tls-key", "b.pem"), "name no files"),
            ("certificate: {source: self}", ("--server", "granian"), "source must be files"),
            ("certificate: {source: cert-manager}", (), "server.certificate.source"),
        ],
    )
    def test_they_are_said_and_end_the_start(
        self, tmp_path: Path, server: str, options: tuple[str, ...], why: str
    ) -> None:
        settings = tmp_path / "imagegate.yaml"
        settings.write_text(f"server: {{{server}}}\n")
        command: list[str | Path] = [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{free_port()}", "--settings", settings]
        command += options
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert why in ended.stderr
        assert "Traceback" not in ended.stderr
