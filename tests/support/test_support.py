"""Each shared peer is what it says it is, and a peer that fails is noticed."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from tests.support.certificates import Authority
from tests.support.gpg import GpgHome
from tests.support.images import make_image, source_of
from tests.support.kubectl import Kubectl
from tests.support.lookaside import Lookaside
from tests.support.loopback import OutsideNetwork
from tests.support.processes import end_process, free_port, is_listening, started
from tests.support.programs import program
from tests.support.registry import PASSWORD, USER, Registry, start_registry
from tests.support.samples import SAMPLES
from tests.support.simulator import Request, Response, Simulator
from tests.support.token_server import TokenServer

TINY_OCI = "sha256:80ce56920d950837f501b2dfcb6622890ad98cf3f41944640fd0d720bbcaf874"
MULTI_DOCKER = "sha256:8db2c26c498bd085ef50ca4dbd0abc80ee34f82d91df6c20c8cc569febed05ac"


class Echo(Simulator):
    def answer(self, request: Request) -> Response:
        match request.path:
            case "/drop":
                return Response(drop=True)
            case "/cut":
                return Response(200, b"0123456789", cut_after=4)
            case "/pieces":
                return Response(200, iter([b"one\n", b"two\n"]))
            case "/fault":
                raise LookupError("no such answer")
        return Response(201, request.body.upper(), {"X-Method": request.method})


def test_the_outside_network_is_off() -> None:
    with pytest.raises(OutsideNetwork):
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    with pytest.raises(OutsideNetwork):
        socket.getaddrinfo("registry.example", 443)


def test_the_loopback_is_on() -> None:
    with Echo() as server, socket.create_connection(("localhost", server.port), timeout=5) as connection:
        assert connection.getpeername()[1] == server.port


def test_a_registry_serves_what_was_pushed(registry: Registry) -> None:
    assert registry.push_sample("tiny-oci", "support/tiny:v1") == TINY_OCI
    assert registry.push_sample("multi-docker", "support/multi:v1") == MULTI_DOCKER
    answer = requests.get(f"{registry.url}/v2/support/tiny/tags/list", timeout=5)
    assert answer.json() == {"name": "support/tiny", "tags": ["v1"]}


def test_a_deleted_image_is_gone(registry: Registry) -> None:
    registry.push_sample("tiny-docker", "support/deleted:v1")
    registry.delete("support/deleted:v1")
    assert requests.get(f"{registry.url}/v2/support/deleted/manifests/v1", timeout=5).status_code == 404


def test_new_images_differ_by_their_text(tmp_path: Path, registry: Registry) -> None:
    one, two = make_image(tmp_path / "1", text="one"), make_image(tmp_path / "2", text="two", kind="dirlist")
    assert one == make_image(tmp_path / "1-again", text="one")
    assert one != two
    assert registry.push(source_of(tmp_path / "2"), "support/made:v2") == two


def test_https_with_a_private_authority(registry_tls: Registry, ca: Authority) -> None:
    assert registry_tls.push_sample("tiny-oci", "support/tiny:v1") == TINY_OCI
    assert requests.get(f"{registry_tls.url}/v2/", verify=str(ca.bundle), timeout=5).status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{registry_tls.url}/v2/", timeout=5)


def test_htpasswd_wants_the_password(registry_htpasswd: Registry, ca: Authority) -> None:
    assert registry_htpasswd.push_sample("tiny-oci", "support/tiny:v1") == TINY_OCI
    url, verify = f"{registry_htpasswd.url}/v2/", str(ca.bundle)
    refused = requests.get(url, verify=verify, auth=(USER, "wrong"), timeout=5)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="test"')
    assert requests.get(url, verify=verify, auth=(USER, PASSWORD), timeout=5).status_code == 200


def test_the_token_server_opens_the_registry(
    registry_token: Registry, token_server: TokenServer, ca: Authority
) -> None:
    registry_token.push_sample("tiny-oci", "public/tiny:v1")
    registry_token.push_sample("tiny-oci", "private/tiny:v1")
    verify = str(ca.bundle)

    def pull(name: str) -> int:
        scope = f"repository:{name}:pull"
        query = {"service": "test-registry", "scope": scope}
        token = requests.get(token_server.realm, params=query, verify=verify, timeout=5).json()["token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.oci.image.manifest.v1+json"}
        url = f"{registry_token.url}/v2/{name}/manifests/v1"
        return requests.get(url, headers=headers, verify=verify, timeout=5).status_code

    assert pull("public/tiny") == 200
    assert pull("private/tiny") == 401
    wrong = requests.get(token_server.realm, auth=(USER, "wrong"), verify=verify, timeout=5)
    assert wrong.status_code == 401


def test_a_registry_of_its_own_can_be_stopped(tmp_path: Path) -> None:
    with start_registry(tmp_path) as own:
        assert is_listening(own.running.port)
        own.running.end()
        assert not is_listening(own.running.port)


def test_signing_while_pushing_fills_the_lookaside(tmp_path: Path, gpg_home: GpgHome) -> None:
    key = gpg_home.generate("push@test.invalid")
    (tmp_path / "signatures").mkdir()
    with (
        Lookaside(tmp_path / "signatures") as signatures,
        start_registry(tmp_path, gpg_home=gpg_home.path) as own,
    ):
        own.skopeo.lookaside(own.host, read=signatures.url, write=signatures.directory)
        digest = own.push_sample("tiny-oci", "signed/app:v1", "--sign-by", key.fingerprint)
        path = f"/signed/app@{digest.replace(':', '=')}/signature-"
        assert requests.get(f"{signatures.url}{path}1", timeout=5).status_code == 200
        assert requests.get(f"{signatures.url}{path}2", timeout=5).status_code == 404


def test_the_lookaside_serves_the_samples_and_nothing_above(tmp_path: Path) -> None:
    with Lookaside(SAMPLES / "simple-signing" / "lookaside") as server:
        path = "/signed/app@sha256=0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a/signature-1"
        assert requests.get(f"{server.url}{path}", timeout=5).content[:1] == b"\xa3"
        connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/../manifest.json")
        assert connection.getresponse().status == 404
        connection.close()


@pytest.mark.parametrize("form", ["ed25519", "rsa", "subkey"])
def test_gpg_signs_and_gpg_verifies(form: str, gpg_home: GpgHome, tmp_path: Path) -> None:
    key = gpg_home.generate(f"{form}@test.invalid", form=form)
    blob = tmp_path / "signature-1"
    blob.write_bytes(gpg_home.sign(key, b"the payload"))
    shown = gpg_home.gpg("--status-fd", "1", "--decrypt", str(blob)).stdout
    valid = next(line.split() for line in shown.splitlines() if line.startswith("[GNUPG:] VALIDSIG"))
    assert valid[-1] == key.fingerprint
    assert (valid[2] == key.fingerprint) is (form != "subkey")
    assert "the payload" in shown


def test_kubectl_asks_the_server_it_was_given(kubectl: Kubectl, tmp_path: Path) -> None:
    with Echo() as server:
        kubectl.use(server.url, token="t-1")
        kubectl("get", "--raw", "/livez")
    assert "/livez" in [request.path for request in server.requests]
    assert kubectl.home.is_relative_to(tmp_path)


def test_the_simulator_answers_and_counts() -> None:
    with Echo() as server:
        answer = requests.post(f"{server.url}/a?b=1&b=2", data=b"text", timeout=5)
        assert (answer.status_code, answer.content, answer.headers["X-Method"]) == (201, b"TEXT", "POST")
        assert server.requests[0].query == {"b": ["1", "2"]}
        assert requests.get(f"{server.url}/pieces", timeout=5).content == b"one\ntwo\n"
        assert (server.count(), server.count("GET"), server.count("GET", "/a")) == (2, 1, 0)


def test_the_simulator_misbehaves_on_request(ca: Authority) -> None:
    with Echo(tls=ca.server) as server:
        assert requests.get(server.url, verify=str(ca.bundle), timeout=5).status_code == 201
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"{server.url}/drop", verify=str(ca.bundle), timeout=5)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(f"{server.url}/cut", verify=str(ca.bundle), timeout=5)


def test_a_fault_of_the_simulator_fails_the_test() -> None:
    with pytest.raises(LookupError, match="no such answer"), Echo() as server:
        assert requests.get(f"{server.url}/fault", timeout=5).status_code == 500


def test_stopping_ends_open_connections() -> None:
    with Echo() as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/a")
        connection.getresponse().read()
    assert connection.sock.recv(1) == b""
    connection.close()


def test_client_certificates_are_asked_for(ca: Authority) -> None:
    client = ca.issue("someone", organizations=("system:masters",))
    context = ca.server.server_context(client_ca=ca.bundle)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert client.certificate.exists()


def test_a_server_that_does_not_start_fails_with_its_output(tmp_path: Path) -> None:
    command = [program("sh"), "-c", "echo no luck; exit 3"]
    with (
        pytest.raises(AssertionError, match="ended with 3:\nno luck"),
        started(command, port=free_port(), log=tmp_path / "log"),
    ):
        pass


def test_a_process_that_ignores_the_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.processes.END_TIMEOUT_S", 0.2)
    command = [program("sh"), "-c", 'trap "" TERM; echo ready; while :; do sleep 0.05; done']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        end_process(process)
    assert process.returncode == -signal.SIGKILL


def test_a_missing_program_fails_and_is_not_skipped() -> None:
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        program("no-such-program")
