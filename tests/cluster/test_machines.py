"""A machine that dies in the middle, and object storage instead of a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.cluster.nodes import actors, await_shards, contents, embed, embedding, lines, parts, two_nodes
from tests.kit.session import free_port

SHARD = ("--shard-bytes", "4096")
KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("\n".join(line * 3 for line in lines(2500)))
    return tmp_path / "in"


def test_the_raylet_of_a_machine_without_the_driver_is_killed(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with two_nodes() as nodes:
        command = (corpus, *SHARD, "--ray", nodes.address, "--out")
        with embedding(tmp_path / "log", *command, folder) as session:
            await_shards(folder, 4)
            assert len(actors()) == 2
            nodes.cluster.remove_node(nodes.second, allow_graceful=False)
            made = len(list((folder / "_done").iterdir()))
            assert session.process.wait(120) == 0, (tmp_path / "log").read_text()
        assert made < len(parts(folder)), "it died in the middle"
        code, said = embed(*command, tmp_path / "again")
        assert code == 0, said
    assert contents(folder) == contents(tmp_path / "again")


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 with a bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1").create_bucket(Bucket="corpus")
    yield f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    server.stop()


def test_from_object_storage_to_object_storage(storage: str, corpus: Path, tmp_path: Path) -> None:
    endpoint = f"http://{storage.partition('=')[2].partition('&')[0]}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    text = (corpus / "a.txt").read_bytes()
    for name in ("in/a.txt", "in/_left/out.txt", "in/b/c.txt"):
        client.put_object(Bucket="corpus", Key=name, Body=text[:9000])
    with two_nodes() as nodes:
        command = (f"s3://corpus/in?{storage}", *SHARD, "--out", f"s3://corpus/out?{storage}", "--ray", nodes.address)
        code, said = embed(*command, environ=KEYS)
        assert code == 0, said
        found = client.list_objects_v2(Bucket="corpus", Prefix="out/")["Contents"]
        keys = {one["Key"]: one["ETag"] for one in found}
        assert {f"out/part-0000{number}.parquet" for number in range(6)} | {"out/_manifest.jsonl"} <= set(keys)
        plan = client.get_object(Bucket="corpus", Key="out/_plan.json")["Body"].read()
        assert b's3://corpus/in/b/c.txt"' in plan
        assert b"endpoint" not in plan
        client.delete_object(Bucket="corpus", Key="out/part-00003.parquet")
        code, said = embed(*command, environ=KEYS)
        assert code == 0, said
        assert "5 of them done" in said
    found = client.list_objects_v2(Bucket="corpus", Prefix="out/")["Contents"]
    assert {one["Key"]: one["ETag"] for one in found} == keys
