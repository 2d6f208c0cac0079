"""image.openshift.io through the real API server: users, rights, namespaces, watches, and the manual's example."""

from __future__ import annotations

import json
import os
import signal
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.aggregated import aggregated, is_available
from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_image_policy import deployment
from tests.cluster.webhooks import LABEL, Hooked, make_namespace
from tests.support.certificates import Authority, Certificate
from tests.support.processes import started, wait_until
from tests.support.programs import program
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.service import Answer, Service
from tests.walkthrough.document_004 import IMAGE, IMPORT, steps
from tests.walkthrough.terminal import Terminal

GROUP = "/apis/image.openshift.io/v1"
NAMED = {"X-Remote-User": "system:admin", "X-Remote-Group": "system:masters"}


@pytest.fixture(scope="module")
def image_api(plane: ControlPlane, registry_tls: Registry) -> Iterator[Hooked]:
    """imagegate as webhook and APIService; ``openshift/image-policy-check`` can be imported from docker.io."""
    registry_tls.push_sample("tiny-docker", IMAGE)
    with (
        tempfile.TemporaryDirectory(prefix="aggregated-") as name,
        aggregated(plane, "aggregated", Path(name), registry_tls) as found,
    ):
        yield found


@pytest.fixture
def imported(image_api: Hooked, registry_tls: Registry) -> str:
    """The name of an Image, imported as a tag of the stream ``image-policy-check``."""
    assert image_api("create", "-f", "-", text_in=IMPORT).endswith("created\n")
    return registry_tls.digest(IMAGE)


def stream(name: str, **metadata: Any) -> dict[str, Any]:
    metadata = {"name": name, **metadata}
    return {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": metadata}


class TestTheManual:
    def test_chapter_11_5(self, image_api: Hooked, plane: ControlPlane, registry_tls: Registry) -> None:
        make_namespace(plane, "default", image_api.namespace)
        try:
            said: list[str] = []
            steps(Terminal(plane.kubectl, said.append), registry_tls.digest(IMAGE))
        finally:
            plane.kubectl("delete", "pods", "--all", "--now")
            plane.kubectl("delete", "imagestreams,images", "--all")
            plane.kubectl("label", "namespace", "default", f"{LABEL}-")


class TestKubectl:
    def test_tags_are_listed_annotated_and_explained(self, image_api: Hooked, imported: str) -> None:
        assert "image-policy-check:latest" in image_api("get", "istag")
        said = image_api("annotate", "istag/image-policy-check:latest", "seen=yes")
        assert said == "imagestreamtag.image.openshift.io/image-policy-check:latest annotated\n"
        said = image_api("annotate", f"image/{imported}", "seen=yes", "--overwrite")
        assert said == f"image.image.openshift.io/{imported} annotated\n"
        assert "KIND:       ImageStream" in image_api("explain", "imagestream.spec")

    def test_the_cluster_s_own_kinds_are_explained_and_applied_as_without_imagegate(self, image_api: Hooked) -> None:
        assert "selector" in image_api("explain", "deployment.spec")
        assert "image" in image_api("explain", "pod.spec.containers")
        document = deployment("twice", "docker.io/library/nginx:1", replicas=0)
        assert image_api.apply(document) == "deployment.apps/twice created\n"
        document["spec"]["minReadySeconds"] = 1
        assert image_api.apply(document) == "deployment.apps/twice configured\n"

    def test_only_the_image_api_is_published(self, image_api: Hooked) -> None:
        paths = json.loads(image_api("get", "--raw", "/openapi/v3"))["paths"]
        served = json.loads(image_api.service.get("/openapi/v3").content)["paths"]
        assert set(served) == {"apis/image.openshift.io/v1"}
        assert "image.openshift.io" in json.dumps(sorted(paths))
        assert [each["name"] for each in image_api.service.get("/apis").json["groups"]] == ["image.openshift.io"]
        assert image_api.service.get("/api/v1/namespaces").status == 404
        assert image_api.service.get("/apis/apps/v1").status == 404

    def test_discovery_names_what_can_be_done(self, image_api: Hooked) -> None:
        said = image_api("api-resources", "--api-group=image.openshift.io", "-o", "wide")
        rows = {line.split()[0]: line for line in said.splitlines()[1:]}
        assert set(rows) == {
            *("images", "imagesignatures", "imagestreamimages", "imagestreamimports", "imagestreammappings"),
            *("imagestreams", "imagestreamtags", "imagetags"),
        }
        assert "create,delete,deletecollection,get,list,patch,update,watch" in rows["imagestreams"]
        assert " istag " in rows["imagestreamtags"]

    def test_server_side_apply(self, image_api: Hooked) -> None:
        def applied(labels: dict[str, str], *options: str, check: bool = True) -> str:
            body = yaml.safe_dump(stream("server-side", labels=labels))
            return image_api("apply", "--server-side", *options, "-f", "-", text_in=body, check=check)

        done = "imagestream.image.openshift.io/server-side serverside-applied\n"
        assert applied({"a": "1"}) == applied({"a": "2"}) == done
        assert 'conflict with "kubectl": .metadata.labels.a' in applied({"a": "3"}, "--field-manager=x", check=False)
        assert applied({"a": "3"}, "--field-manager=x", "--force-conflicts") == done

    def test_apply_twice(self, image_api: Hooked) -> None:
        assert image_api.apply(stream("applied")) == "imagestream.image.openshift.io/applied created\n"
        assert image_api.apply(stream("applied")) == "imagestream.image.openshift.io/applied unchanged\n"


@pytest.fixture(scope="module")
def developer(image_api: Hooked, plane: ControlPlane) -> Iterator[str]:
    """A user with the role ``edit`` in one namespace, beside another namespace with a stream."""
    make_namespace(plane, "private", "none")
    Hooked(plane, image_api.service, "private").apply(stream("secret"))
    image_api("create", "rolebinding", "developer", "--clusterrole=edit", "--user=developer")
    wait_until(lambda: may(image_api, "create", "imagestreams"), "the role to be in force")
    yield "developer"
    plane.kubectl("delete", "namespace", "private", "--timeout=60s")


def may(image_api: Hooked, verb: str, resource: str, *where: str) -> bool:
    return image_api("auth", "can-i", verb, resource, "--as=developer", *where, check=False).startswith("yes")


class TestRights:
    def test_rbac_decides_in_both_directions(self, image_api: Hooked, developer: str) -> None:
        as_user = f"--as={developer}"
        assert may(image_api, "create", "imagestreamimports.image.openshift.io")
        assert not may(image_api, "update", "images.image.openshift.io")
        assert not may(image_api, "list", "imagestreams.image.openshift.io", "-n", "private")
        said = image_api("create", as_user, "-f", "-", text_in=yaml.safe_dump(stream("own")))
        assert said == "imagestream.image.openshift.io/own created\n"
        refused = image_api("get", "is", as_user, "-n", "private", check=False)
        assert refused.startswith(
            'Error from server (Forbidden): imagestreams.image.openshift.io is forbidden: User "developer" cannot list '
            'resource "imagestreams" in API group "image.openshift.io" in the namespace "private"'
        )

    def test_a_mark_on_an_image_needs_the_right(
        self, image_api: Hooked, developer: str, plane: ControlPlane, imported: str
    ) -> None:
        mark = ("annotate", f"image/{imported}", "images.openshift.io/deny-execution=true")
        assert "cannot get resource" in image_api(*mark, f"--as={developer}", check=False)
        verbs = "--verb=get,list,patch,update,delete"
        plane.kubectl("create", "clusterrole", "editor", verbs, "--resource=images.image.openshift.io")
        plane.kubectl("create", "clusterrolebinding", "editor", "--clusterrole=editor", "--user=eve")
        plain = ("annotate", f"image/{imported}", "example.com/seen=true", "--as=eve", "--overwrite")
        wait_until(lambda: "annotated" in image_api(*plain, check=False), "the role of eve")
        said = image_api(*mark, "--as=eve", check=False)
        assert 'User "eve" cannot mark resource "images" in API group "image.openshift.io" at the cluster scope' in said
        assert "needed for annotation images.openshift.io/deny-execution" in said
        plane.kubectl("create", "clusterrolebinding", "auditor", "--clusterrole=imagegate-image-auditor", "--user=ann")
        wait_until(lambda: "annotated" in image_api(*mark, "--as=ann", check=False), "the role of ann")
        image_api("annotate", f"image/{imported}", "images.openshift.io/deny-execution-", "--as=ann")

    def test_a_tag_of_another_namespace_needs_rights_there(self, image_api: Hooked, developer: str) -> None:
        origin = {"kind": "ImageStreamTag", "namespace": "private", "name": "secret:latest"}
        stolen = stream("stolen") | {"spec": {"tags": [{"name": "latest", "from": origin}]}}
        said = image_api("create", f"--as={developer}", "-f", "-", text_in=yaml.safe_dump(stolen), check=False)
        assert said == (
            'The ImageStream "stolen" is invalid: []: Internal error: imagestreams "stolen" is invalid: '
            'spec.tags[latest].from: Forbidden: private/secret: "" ""\n'
        )
        assert "NotFound" in image_api("get", "is", "stolen", check=False)
        there = Hooked(image_api.plane, image_api.service, "private")
        there("create", "rolebinding", "puller", "--clusterrole=imagegate-image-puller", "--user=developer")
        create = ("create", f"--as={developer}", "-f", "-")
        wait_until(
            lambda: "Forbidden" not in image_api(*create, text_in=yaml.safe_dump(stolen), check=False), "the role"
        )


class TestDirectCallers:
    """Nobody but the API server names a user."""

    def test_named_users_count_only_beside_the_api_server_s_certificate(
        self, image_api: Hooked, plane: ControlPlane, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        proxy = plane.front_proxy.issue("front-proxy-client", file_name="again")
        wrong = plane.front_proxy.issue("somebody-else")
        user = plane.ca.issue("developer")
        assert asked(image_api.service, plane, proxy, NAMED).status == 200
        for shown in (None, wrong, user, plane.admin):
            answer = asked(image_api.service, plane, shown, NAMED)
            assert (answer.status, answer.json["reason"]) == (401, "Unauthorized"), answer.content
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asked(image_api.service, plane, Authority(tmp_path / "other").issue("front-proxy-client"), NAMED)

    def test_wrong_common_names_are_told(self, image_api: Hooked, plane: ControlPlane) -> None:
        wrong = plane.front_proxy.issue("somebody-else")
        answer = asked(image_api.service, plane, wrong, NAMED)
        assert "subject with cn=somebody-else is not in the allowed list" in answer.json["message"]

    @pytest.mark.parametrize("header", ["X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-Scopes"])
    def test_any_header_that_names_a_user_counts(self, image_api: Hooked, plane: ControlPlane, header: str) -> None:
        assert asked(image_api.service, plane, plane.admin, {header: "system:masters"}).status == 401

    def test_client_certificates_of_users(self, image_api: Hooked, plane: ControlPlane) -> None:
        assert asked(image_api.service, plane, plane.admin, {}).status == 200
        answer = asked(image_api.service, plane, plane.ca.issue("nobody-known"), {})
        assert answer.status == 403
        assert 'User "nobody-known" cannot list resource "imagestreams"' in answer.json["message"]

    def test_tokens(self, image_api: Hooked, plane: ControlPlane) -> None:
        image_api("create", "serviceaccount", "robot")
        image_api(
            "create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={image_api.namespace}:robot"
        )
        token = image_api("create", "token", "robot").strip()
        path = f"{GROUP}/namespaces/{image_api.namespace}/imagestreams"

        def answer(given: str, path: str) -> Answer:
            return asked(image_api.service, plane, None, {"Authorization": f"Bearer {given}"}, path)

        wait_until(lambda: answer(token, path).status == 200, "the role of robot")
        assert answer(token, f"{GROUP}/images").status == 403
        assert answer(token[:-4] + "AAAA", path).status == 401
        assert answer("", path).status == 401

    def test_without_any_proof(self, image_api: Hooked, plane: ControlPlane) -> None:
        for path in (f"{GROUP}/imagestreams", "/apis", GROUP, "/openapi/v2", "/openapi/v3"):
            assert asked(image_api.service, plane, None, {}, path).status == 401, path
        for path in ("/livez", "/readyz", "/version"):
            assert asked(image_api.service, plane, None, {}, path).status == 200, path

    def test_impersonation_is_not_read(self, image_api: Hooked, plane: ControlPlane) -> None:
        proxy = plane.front_proxy.issue("front-proxy-client", file_name="impersonating")
        for shown, headers in ((proxy, NAMED), (plane.admin, {})):
            given = {**headers, "Impersonate-User": "system:admin"}
            assert asked(image_api.service, plane, shown, given).status == 403

    def test_reviews_need_no_certificate(self, image_api: Hooked, plane: ControlPlane) -> None:
        service = Service(image_api.service.running, _context(plane, None))
        assert service.post("/validate", {"kind": "nothing"}).status == 400


def asked(
    service: Service,
    plane: ControlPlane,
    certificate: Certificate | None,
    headers: dict[str, str],
    path: str = f"{GROUP}/imagestreams",
) -> Answer:
    """A request that does not come from the API server."""
    return Service(service.running, _context(plane, certificate)).ask("GET", path, headers=headers)


def _context(plane: ControlPlane, certificate: Certificate | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(plane.ca.bundle))
    if certificate is not None:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return context


class TestPullSecrets:
    def test_imports_use_those_of_the_cluster(self, image_api: Hooked, registry_htpasswd: Registry) -> None:
        registry_htpasswd.push_sample("tiny-docker", "team/app:v1")
        before = self.imported(image_api, registry_htpasswd)
        assert (before["status"]["status"], before["status"]["reason"]) == ("Failure", "Unauthorized")
        login = (
            f"--docker-server={registry_htpasswd.host}",
            f"--docker-username={USER}",
            f"--docker-password={PASSWORD}",
        )
        image_api("create", "secret", "docker-registry", "pull", *login)
        found = self.imported(image_api, registry_htpasswd)
        assert found["image"]["metadata"]["name"] == registry_htpasswd.digest("team/app:v1")
        image_api("annotate", "secret", "pull", "openshift.io/image.excludeSecret=true")
        assert self.imported(image_api, registry_htpasswd)["status"]["reason"] == "Unauthorized"

    def imported(self, image_api: Hooked, registry: Registry) -> Any:
        """What an import says of its one image."""
        source = {"kind": "DockerImage", "name": f"{registry.host}/team/app:v1"}
        document = {
            "apiVersion": "image.openshift.io/v1",
            "kind": "ImageStreamImport",
            "metadata": {"name": "with-secret"},
            "spec": {"import": False, "images": [{"from": source, "to": {"name": "v1"}}]},
        }
        said = image_api("create", "-o", "json", "-f", "-", text_in=yaml.safe_dump(document))
        [image] = json.loads(said)["status"]["images"]
        return image


class TestManyGroups:
    def test_a_user_of_a_directory_with_many_groups(self, image_api: Hooked, plane: ControlPlane) -> None:
        image_api("create", "rolebinding", "team-199", "--clusterrole=view", "--group=team-199,with a comma")
        groups = [f"--as-group=team-{number},with a comma" for number in range(200)]
        asked_for = ("get", "is", "--as=ann", *groups)
        wait_until(lambda: "Forbidden" not in image_api(*asked_for, check=False), "the role of the group")
        assert "Forbidden" in image_api("get", "is", "--as=ann", "--as-group=team-199", check=False)


class TestTheApiServer:
    def test_a_new_ca_of_its_certificate_is_followed(
        self, image_api: Hooked, plane: ControlPlane, tmp_path: Path
    ) -> None:
        """As an operator rotates it: both CAs first. kube-apiserver keeps in the ConfigMap what others add."""
        new = Authority(tmp_path, "front-proxy-ca-2")
        client = new.issue("front-proxy-client")
        both = f"{plane.front_proxy.bundle.read_text()}{new.bundle.read_text()}"
        patch = json.dumps({"data": {"requestheader-client-ca-file": both}})
        name = ("configmap", "extension-apiserver-authentication")
        plane.kubectl("-n", "kube-system", "patch", *name, "--type=merge", "-p", patch)
        for _ in range(2):  # each worker reads it for itself
            wait_until(lambda: is_known(image_api, plane, client), "the new CA")
        assert asked(image_api.service, plane, plane.front_proxy.issue("front-proxy-client"), NAMED).status == 200

    def test_nobody_has_rights_while_it_is_silent(self, image_api: Hooked, plane: ControlPlane) -> None:
        proxy = plane.front_proxy.issue("front-proxy-client", file_name="silent")
        user = {"X-Remote-User": "developer"}
        time.sleep(1.5)  # answers are cached for a second here
        os.kill(plane.api_server.pid, signal.SIGSTOP)
        try:
            answer = asked(image_api.service, plane, proxy, user)
            assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
            assert 'cannot check what user "developer" may do: ' in answer.json["message"]
            answer = asked(image_api.service, plane, None, {"Authorization": "Bearer x"})
            assert answer.status == 503
        finally:
            os.kill(plane.api_server.pid, signal.SIGCONT)
        wait_until(lambda: plane.answers("/readyz"), "the API server to go on")
        wait_until(lambda: is_available(plane), "the APIService to be available", timeout_s=60)


def is_known(image_api: Hooked, plane: ControlPlane, client: Certificate) -> bool:
    """True if a certificate is one of the API server's for imagegate."""
    try:
        return asked(image_api.service, plane, client, NAMED).status == 200
    except (ssl.SSLError, ConnectionError):
        return False


class TestNamespaces:
    def test_one_that_does_not_exist(self, image_api: Hooked, plane: ControlPlane) -> None:
        there = Hooked(plane, image_api.service, "never-made")
        for document in (yaml.safe_dump(stream("x")), IMPORT):
            said = there("create", "-f", "-", text_in=document, check=False)
            assert (
                said == 'Error from server (NotFound): error when creating "STDIN": namespaces "never-made" not found\n'
            )

    def test_deletion_removes_the_streams(self, image_api: Hooked, plane: ControlPlane) -> None:
        make_namespace(plane, "ending", "none")
        there = Hooked(plane, image_api.service, "ending")
        for name in ("a", "b", "c"):
            there.apply(stream(name))
        plane.kubectl("delete", "namespace", "ending", "--timeout=60s")
        make_namespace(plane, "ending", "none")
        assert there.json("get", "imagestreams")["items"] == []
        plane.kubectl("delete", "namespace", "ending", "--timeout=60s")

    def test_deletion_waits_for_imagegate_and_then_ends_by_itself(self, image_api: Hooked, plane: ControlPlane) -> None:
        make_namespace(plane, "waiting", "none")
        Hooked(plane, image_api.service, "waiting").apply(stream("x"))
        pids = (image_api.service.running.pid, *image_api.service.workers())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            plane.kubectl("delete", "namespace", "waiting", "--wait=false")
            time.sleep(8)
            assert plane.answers("/api/v1/namespaces/waiting")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not plane.answers("/api/v1/namespaces/waiting"), "the deletion", timeout_s=90)
        assert "waiting" not in image_api("get", "is", "-A")

    def test_nothing_is_made_in_one_that_is_being_deleted(self, image_api: Hooked, plane: ControlPlane) -> None:
        make_namespace(plane, "held", "none")
        there = Hooked(plane, image_api.service, "held")
        held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "finalizers": ["example.com/hold"]}}
        there.apply(held)
        plane.kubectl("delete", "namespace", "held", "--wait=false")
        try:
            wait_until(
                lambda: "terminated" in there("create", "-f", "-", text_in=yaml.safe_dump(stream("x")), check=False),
                "the deletion",
            )
            said = there("create", "-f", "-", text_in=yaml.safe_dump(stream("x")), check=False)
            assert "unable to create new content in namespace held because it is being terminated" in said
        finally:
            there("patch", "configmap", "x", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
            plane.kubectl("wait", "--for=delete", "namespace/held", "--timeout=60s")


class TestGarbageCollection:
    def test_a_stream_goes_with_its_owner(self, image_api: Hooked) -> None:
        image_api("create", "configmap", "owner")
        uid = image_api.json("get", "configmap", "owner")["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
        image_api.apply(stream("owned", ownerReferences=[owner]))
        image_api("delete", "configmap", "owner")
        wait_until(
            lambda: "NotFound" in image_api("get", "is", "owned", check=False), "garbage collection", timeout_s=90
        )

    @pytest.mark.parametrize("cascade", ["foreground", "orphan"])
    def test_dependents_of_other_kinds(self, image_api: Hooked, cascade: str) -> None:
        name = f"parent-{cascade}"
        image_api.apply(stream(name))
        uid = image_api.json("get", "is", name)["metadata"]["uid"]
        owner = {
            "apiVersion": "image.openshift.io/v1",
            "kind": "ImageStream",
            "name": name,
            "uid": uid,
            "blockOwnerDeletion": True,
        }
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": [owner]}}
        image_api.apply(document)
        image_api("delete", "is", name, f"--cascade={cascade}", "--timeout=90s")
        left = image_api("get", "configmap", name, check=False)
        assert ("NotFound" in left) is (cascade == "foreground"), left


def next_name(watch: Any) -> str:
    """The name in the next event; blank lines between events keep the connection open."""
    while not (line := watch.readline().strip()):
        pass
    name: str = json.loads(line)["object"]["metadata"]["name"]
    return name


class TestWatches:
    def test_kubectl_prints_changes(self, image_api: Hooked, plane: ControlPlane, tmp_path: Path) -> None:
        command = [program("kubectl"), "-n", image_api.namespace, "get", "is", "-w", "--output-watch-events"]
        environment = {**os.environ, "KUBECONFIG": str(plane.kubectl.configuration), "HOME": str(tmp_path)}
        log = tmp_path / "watch.log"
        is_listed = lambda: b"ADDED" in log.read_bytes()  # noqa: E731 - a condition
        image_api.apply(stream("listed"))  # kubectl prints what it lists before it watches
        with started(command, port=0, log=log, env=environment, ready=is_listed) as watching:
            image_api.apply(stream("printed"))
            wait_until(lambda: "printed" in watching.output() or watching.process.poll() is not None, "the change")
            assert "printed" in watching.output(), f"kubectl ended with {watching.process.returncode}"

    def test_stay_open_and_end_with_the_service(self, image_api: Hooked, plane: ControlPlane) -> None:
        path = f"{GROUP}/namespaces/{image_api.namespace}/imagestreams"
        version = json.loads(image_api("get", "--raw", path))["metadata"]["resourceVersion"]
        query = f"watch=true&timeoutSeconds=300&resourceVersion={version}"
        with urllib.request.urlopen(f"{plane.url}{path}?{query}", context=plane.context(), timeout=60) as watch:
            image_api.apply(stream("first-seen"))
            assert next_name(watch) == "first-seen"
            time.sleep(15)
            image_api.apply(stream("later-seen"))
            assert next_name(watch) == "later-seen"
            os.kill(image_api.service.running.pid, signal.SIGHUP)  # other workers take the place of these
            assert watch.read().strip() == b""
        wait_until(lambda: image_api.service.get("/readyz").status == 200, "the new workers")
        assert "first-seen" in image_api("get", "is")
