"""Image streams from files: loading, errors with their lines, look-ups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.adapters.files.image_streams import ImageStreamsFromObjects, load_image_streams
from imagegate.adapters.files.packed_objects import PackedObjects
from imagegate.core.admission.lookup import Absent, Found, Impossible
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.errors import ConfigError
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, image, spec_tag, stream

HOSTS = RegistryHosts("reg:5000")
STREAM = stream(
    tags={"latest": [event(DIGEST_1, f"org/app@{DIGEST_1}")]},
    spec_tags=[spec_tag("latest", "org/app:latest", annotations={"from": "tag"})],
)


def written(tmp_path: Path, text: str, name: str = "objects.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_folder_of_yaml_and_json_and_lists(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "x"}, "spec": 7}
    written(tmp_path, yaml.safe_dump_all([STREAM, None, deployment, stream("other", "")]), "a.yaml")
    listed = {"kind": "List", "apiVersion": "v1", "items": [image(DIGEST_1)]}
    written(tmp_path / "below", json.dumps(listed), "b.json")
    typed = {"kind": "NamespaceList", "apiVersion": "v1", "items": [{"metadata": {"name": "test"}}]}
    written(tmp_path, json.dumps(typed), "c.yml")
    written(tmp_path, "not: [yaml", "ignored.txt")
    found = load_image_streams([tmp_path], hosts=HOSTS, namespace="mine")
    tag = found.stream_tag(StreamTag("test", "app", "latest"), deadline_s=1)
    assert isinstance(tag, Found)
    assert tag.value["image"]["dockerImageReference"] == f"org/app@{DIGEST_1}"
    assert tag.value["image"]["metadata"]["annotations"] == {"from": "tag"}
    own = found.image(Image(DIGEST_1), deadline_s=1)
    assert isinstance(own, Found)
    assert "annotations" not in own.value["metadata"]
    other = found.stream(Stream("mine", "other"), deadline_s=1)
    assert isinstance(other, Found)
    assert other.value["status"]["dockerImageRepository"] == "reg:5000/mine/other"
    assert isinstance(found.namespace(Namespace("test"), deadline_s=1), Found)


def test_without_hosts_repositories_stay_as_written(tmp_path: Path) -> None:
    exported = {**STREAM, "status": {**STREAM["status"], "dockerImageRepository": "cluster:5000/test/app"}}
    found = load_image_streams([written(tmp_path, json.dumps(exported))])
    answer = found.stream(Stream("test", "app"), deadline_s=1)
    assert isinstance(answer, Found)
    assert answer.value["status"]["dockerImageRepository"] == "cluster:5000/test/app"


BAD_STREAM = """\
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata:
  name: app
spec:
  tags:
  - name: latest
    from: busybox
"""


@pytest.mark.parametrize(
    "text, message",
    [
        (BAD_STREAM, ":8: ImageStream: spec.tags[0].from: expected an object, got 'busybox'"),
        (json.dumps(yaml.safe_load(BAD_STREAM), indent=1), ":11: ImageStream: spec.tags[0].from: expected an object"),
        ("kind: Image\napiVersion: v1\nmetadata:\n  name: ''\n", ":4: Image: metadata.name: required"),
        ("kind: Image\napiVersion: v1\n", ":1: Image: metadata.name: required"),
        ("kind: ImageStream\nkind: Image\n", ':2: "kind" is repeated'),
        ("- a\n", ":1: expected an object with apiVersion and kind"),
        ("kind: [1]\n", ":1: kind: expected a string"),
        (
            "kind: List\nitems:\n- kind: Image\n  apiVersion: v1\n  metadata: 7\n",
            ":5: Image: metadata: expected an object",
        ),
        ("{'a: b", ": not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_image_streams([path])
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_large_json_file_is_told_without_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagegate.documents.image_objects.DOCUMENT_MAX_BYTES", 10)
    path = written(tmp_path, json.dumps({"kind": "Image", "apiVersion": "v1"}), "x.json")
    with pytest.raises(ConfigError, match=r"x.json: Image: metadata.name: required"):
        load_image_streams([path])


def test_an_image_of_another_group_is_not_ours(tmp_path: Path) -> None:
    found = load_image_streams([written(tmp_path, "kind: Image\napiVersion: kpack.io/v1\nspec: 1\n")])
    assert isinstance(found.image(Image(DIGEST_1), deadline_s=1), Absent)


def test_one_object_written_twice(tmp_path: Path) -> None:
    one = written(tmp_path, json.dumps(STREAM), "1.json")
    same = written(tmp_path, json.dumps(STREAM), "2.json")
    other = written(tmp_path, json.dumps({**STREAM, "spec": {}}), "3.json")
    load_image_streams([one, same])
    with pytest.raises(ConfigError, match=r"3.json: ImageStream test/app is written twice \(first in .*1.json\)"):
        load_image_streams([one, other])


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read: No such file"):
        load_image_streams([tmp_path / "none.yaml"])
    (tmp_path / "x.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"x\.yaml: not UTF-8"):
        load_image_streams([tmp_path / "x.yaml"])


def catalogue(**more: Any) -> ImageStreamsFromObjects:
    tag = {"metadata": {"name": "app:v1", "namespace": "test"}, "tag": None, "image": image(DIGEST_2)}
    written_image = {"metadata": {"name": f"app@{DIGEST_2}", "namespace": "test"}, "image": image(DIGEST_2)}
    return ImageStreamsFromObjects(
        image_streams=[STREAM], image_stream_tags=[tag], image_stream_images=[written_image], **more
    )


def test_written_tags_answer_where_the_stream_does_not() -> None:
    found = catalogue(images=[image(DIGEST_1)])
    tag = found.stream_tag(StreamTag("test", "app", "v1"), deadline_s=1)
    assert isinstance(tag, Found)
    assert tag.value["image"]["metadata"]["name"] == DIGEST_2
    stream_image = found.stream_image(StreamImage("test", "app", DIGEST_2), deadline_s=1)
    assert isinstance(stream_image, Found)
    assert stream_image.value["metadata"]["name"] == f"app@{DIGEST_2}"


@pytest.mark.parametrize(
    "ask, question, expected",
    [
        ("stream_tag", StreamTag("test", "app", "v2"), ("imagestreamtags", "app:v2")),
        ("stream_tag", StreamTag("test", "none", "v2"), ("imagestreams", "none")),
        ("stream_tag", StreamTag("elsewhere", "app", "v1"), ("imagestreams", "app")),
        ("stream", Stream("test", "none"), ("imagestreams", "none")),
        ("stream_image", StreamImage("test", "app", "77"), ("imagestreamimage", "app@77")),
        ("stream_image", StreamImage("test", "none", "77"), ("imagestreams", "none")),
        ("image", Image(DIGEST_2), ("images", DIGEST_2)),
    ],
)
def test_not_found_texts(ask: str, question: Any, expected: tuple[str, str]) -> None:
    kind, name = expected
    answer = getattr(catalogue(), ask)(question, deadline_s=1)
    assert answer == Absent(f'{kind}.image.openshift.io "{name}" not found', kind)


def test_namespace_not_found() -> None:
    answer = catalogue().namespace(Namespace("x"), deadline_s=1)
    assert answer == Absent('namespaces "x" not found', "namespaces")


@pytest.mark.parametrize(
    "ask, question, why",
    [
        ("stream_tag", StreamTag("t", "a/b", "c"), "invalid resource name \"a/b:c\": [may not contain '/']"),
        (
            "stream_tag",
            StreamTag("t", "%/", "c"),
            "invalid resource name \"%/:c\": [may not contain '/' may not contain '%']",
        ),
        ("stream_tag", StreamTag("t", "", "c"), "ImageStreamTags must be retrieved with <name>:<tag>"),
        ("stream_tag", StreamTag("t", "a", "b:c"), "ImageStreamTags must be retrieved with <name>:<tag>"),
        ("stream_image", StreamImage("t", "a", ""), "ImageStreamImages must be retrieved with <name>@<id>"),
        ("stream_image", StreamImage("t", "a", "b@c"), "ImageStreamImages must be retrieved with <name>@<id>"),
        ("stream_image", StreamImage("t", "a/b", "c"), "invalid resource name \"a/b@c\": [may not contain '/']"),
        ("namespace", Namespace("a/b"), "invalid resource name \"a/b\": [may not contain '/']"),
        ("stream", Stream("t", ".."), "invalid resource name \"..\": [may not be '..']"),
        ("image", Image(""), "resource name may not be empty"),
    ],
)
def test_names_that_cannot_be_asked_for(ask: str, question: Any, why: str) -> None:
    assert getattr(catalogue(), ask)(question, deadline_s=1) == Impossible(why)


def test_pull_spec_holders() -> None:
    elsewhere = stream("copy", "other", tags={"x": [event(DIGEST_1, f"org/app@{DIGEST_1}")]})
    found = ImageStreamsFromObjects(image_streams=[STREAM, elsewhere, stream("empty", "third")], hosts=HOSTS)

    def holders(pull_spec: str) -> object:
        return found.pull_spec_holders(PullSpecHolders(pull_spec), deadline_s=1)

    assert holders(f"org/app@{DIGEST_1}") == Found(frozenset({"test", "other"}), "files")
    assert holders("org/app") == Found(frozenset({"test", "other"}), "files")
    assert holders(f"org/app@{DIGEST_2}") == Found(frozenset(), "files")
    assert holders("Not A Reference") == Found(frozenset(), "files")


def test_look_ups_do_not_walk_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [stream(f"s{i}", tags={"t": [event(DIGEST_1, "x")]}) for i in range(200)]
    found = ImageStreamsFromObjects(image_streams=streams, images=[image(DIGEST_1)])
    made: list[int] = []
    unpacked = PackedObjects._unpacked

    def counted(self: PackedObjects[Any], number: int) -> dict[str, Any]:
        made.append(number)
        return unpacked(self, number)

    monkeypatch.setattr(PackedObjects, "_unpacked", counted)
    assert isinstance(found.stream_tag(StreamTag("test", "s7", "t"), deadline_s=1), Found)
    assert made == [7, 0]  # the stream and its image


def test_answers_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagegate.adapters.files.image_streams.ANSWERS_CACHED", 3)
    found = ImageStreamsFromObjects(namespaces=[{"metadata": {"name": f"n{i}"}} for i in range(9)])
    for _ in range(2):
        for i in range(9):
            answer = found.namespace(Namespace(f"n{i}"), deadline_s=1)
            assert isinstance(answer, Found)
            assert answer.value["metadata"]["name"] == f"n{i}"
            assert len(found._cached) <= 3
    assert found.namespace(Namespace("n8"), deadline_s=1) is answer
