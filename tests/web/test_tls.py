"""TLS that follows its files, and clients with certificates."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.web.tls import Certificates
from tests.support.certificates import Authority
from tests.support.processes import wait_until
from tests.support.service import Service, sample_review, serving


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
        with pytest.raises(ssl.SSLError):
            Certificates(files[0], ca.issue("127.0.0.1").key)
        assert Certificates(*files).context() is not None
