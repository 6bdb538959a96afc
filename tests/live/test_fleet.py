from __future__ import annotations

import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPConnection
from itertools import dropwhile
from pathlib import Path

import numpy as np
import pytest

from app.encoder import Checkpoint, Encoder
from app.version import VERSION
from tests.kit.fleet import Fleet, wait_for
from tests.texts import LANGUAGES


def weights_mappings(pid: int) -> dict[str, int]:
    """KiB of each kind that the process has of weights files, from smaps."""
    total: dict[str, int] = {}
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(".safetensors")
        elif inside and line.endswith("kB"):
            kind, size, _ = line.split()
            total[kind.rstrip(":")] = total.get(kind.rstrip(":"), 0) + int(size)
    return total


def test_ten_workers_each_map_the_file_and_copy_none_of_it(fleet: Fleet, checkpoint: Checkpoint) -> None:
    pids = fleet.workers()
    assert len(pids) == 10
    for pid in pids:
        mapped = weights_mappings(pid)
        assert mapped["Size"] >= checkpoint.weights[0].path.stat().st_size // 2048, "all weights, in either precision"
        assert mapped["Rss"] > mapped["Size"] / 4, "the layers were read through the mapping"
        assert mapped["Private_Dirty"] == mapped["Anonymous"] == 0
    assert not weights_mappings(fleet.master_pid), "the master keeps no model"


def test_the_native_engine_needs_no_torch(fleet: Fleet) -> None:
    if fleet.ask("/info").json["engine"] != "native":
        pytest.skip("this fleet runs on sentence-transformers")
    for pid in [fleet.master_pid, *fleet.workers()]:
        mapped = Path(f"/proc/{pid}/maps").read_text()
        assert "libbert.so" in mapped
        assert not [name for name in ("torch", "transformers", "sklearn") if name in mapped]
    code = (
        "import sys; from app import create_app, load_model; app = create_app(); load_model(app);"
        "assert app.test_client().post('/predict', json={'text': 'a'}).status_code == 200;"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_one_thread_of_arithmetic_a_worker(fleet: Fleet) -> None:
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda text: fleet.ask("/predict", {"text": text * 40}), LANGUAGES[:30]))
    for pid in fleet.workers():
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) <= 3, environ


def test_the_same_vectors_as_in_process_under_load(fleet: Fleet, real_encoder: Encoder) -> None:
    texts = LANGUAGES * 2
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda text: fleet.ask("/predict", {"text": text}), texts))
    assert {answer.status for answer in answers} == {200}
    given = np.array([answer.json["embeddings"][0] for answer in answers])
    expected = np.concatenate([real_encoder.encode([text]).vectors for text in texts])
    precision = fleet.ask("/info").json["precision"]
    assert np.abs(given - expected).max() < (1e-5 if precision == "float32" else 5e-3)


def test_a_boot_is_one_line(fleet: Fleet, checkpoint: Checkpoint) -> None:
    (facts,) = fleet.events("boot")
    assert (facts["pid"], facts["level"]) == (fleet.master_pid, "info")
    assert facts["version"] == VERSION
    assert facts["limits"]["max_texts"] == 2048
    assert facts["model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert facts["revision"] == checkpoint.revision
    assert facts["sha256"] == checkpoint.sha256
    assert (facts["workers"], facts["threads_per_worker"]) == (10, 1)
    assert facts["cores_by_affinity"] >= 1
    assert facts["cores_by_cgroup"]
    assert facts["settings"]["port"] == f"{fleet.port} (PORT)"
    assert facts["engine"] == fleet.ask("/info").json["engine"]
    assert facts["fingerprint"] == fleet.ask("/info").json["fingerprint"]


def test_every_log_line_is_json(fleet: Fleet) -> None:
    """From gunicorn's first on; `make` may have said before that there is no compiler."""
    lines = list(dropwhile(lambda line: not line.startswith("{"), fleet.log().splitlines()))
    assert len(lines) > 30
    assert [line for line in lines if not (line.startswith("{") and line.endswith("}"))] == []


def test_metrics_are_one_page_for_the_fleet(fleet: Fleet) -> None:
    before = fleet.metric('bert_requests_total{method="GET",route="/livez",status="200"}')
    for _ in range(40):
        assert fleet.ask("/livez").status == 200
    assert fleet.metric('bert_requests_total{method="GET",route="/livez",status="200"}') == before + 40
    page = fleet.ask("/metrics").body.decode()
    assert "\nbert_workers 10.0\n" in page
    assert "\nbert_workers_ready 10.0\n" in page
    slots = re.findall(r'bert_worker_pss_bytes\{slot="(\w+)"\} (\S+)', page)
    assert [slot for slot, _ in slots] == ["master", *map(str, range(10))]
    assert all(float(size) > 1e7 for _, size in slots)


def raw(fleet: Fleet, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", fleet.port), timeout=20) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


def test_what_gunicorn_refuses_is_json_too(fleet: Fleet) -> None:
    counted = 'bert_requests_total{method="other",route="unmatched"'
    before = fleet.metric(counted)
    for request, status in [
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", b"431"),
    ]:
        head, _, body = raw(fleet, request).partition(b"\r\n\r\n")
        assert head.split()[1] == status
        assert b"Content-Type: application/json" in head
        assert body.startswith(b'{"error":"this is no valid HTTP request: ')
    assert fleet.metric(counted) == before + 6
    assert raw(fleet, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")


def test_what_is_refused_is_logged_with_what_was_asked(fleet: Fleet) -> None:
    with socket.create_connection(("127.0.0.1", fleet.port), timeout=10) as sock:
        sock.sendall(b"GET /\x1b[31m" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in sock.recv(1000)
    with socket.create_connection(("127.0.0.1", fleet.port), timeout=10) as sock:
        sock.sendall(b"GET /long" + b"a" * 5000 + b"?secret HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 414 " in sock.recv(1000)
    line = wait_for(lambda: [one for one in fleet.events("refused") if one["path"].startswith("/long")], "its line")[0]
    assert (line["level"], line["status"], line["reason"]) == ("warning", 414, "URI Too Long")
    assert (line["path"], line["client"]) == ("/long" + "a" * 195, "127.0.0.1")


def test_scheme_headers_that_contradict_each_other_are_of_no_use_and_no_harm(fleet: Fleet) -> None:
    assert fleet.ask("/livez", X_Forwarded_Proto="https", X_Forwarded_Ssl="off").status == 200


def test_a_silent_client_costs_nobody_anything(fleet: Fleet) -> None:
    silent = [socket.create_connection(("127.0.0.1", fleet.port)) for _ in range(40)]
    try:
        assert all(fleet.ask("/livez", timeout_s=3).status == 200 for _ in range(40))
    finally:
        for sock in silent:
            sock.close()


def test_a_burst_is_shared_out_among_the_workers(fleet: Fleet) -> None:
    """Ten long requests at once: a worker that is busy leaves the next one to an idle one."""
    texts = [f"word{number} " * 300 for number in range(40)]  # different: equal ones are computed once
    ids = [f"burst-{number}" for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda name: fleet.ask("/predict", {"text": texts}, X_Request_Id=name), ids))
    assert {answer.status for answer in answers} == {200}
    lines = [line for line in fleet.events("request") if line["request_id"] in ids]
    ends = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines]
    starts = [end - line["total_ms"] / 1e3 for end, line in zip(ends, lines, strict=True)]
    assert sorted(starts)[8] < min(ends), "nine were under way at once"
    assert len({line["slot"] for line in lines}) >= 9


def test_a_connection_is_kept_alive_while_nobody_else_waits(fleet: Fleet) -> None:
    connection = HTTPConnection("127.0.0.1", fleet.port, timeout=20)
    ports = set()
    for _ in range(5):
        connection.request("POST", "/predict", b'{"text": "again"}', {"Content-Type": "application/json"})
        ports.add(connection.sock.getsockname()[1])
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
    connection.close()
    assert len(ports) == 1


def test_a_body_sent_in_chunks_is_read_and_counted(fleet: Fleet) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    chunks = b'8\r\n{"text":\r\na\r\n"Chunked"}\r\n0\r\n\r\n'
    answer = raw(fleet, head + b"Transfer-Encoding: chunked\r\nX-Request-Id: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    broken = raw(fleet, head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n")
    assert broken.startswith(b"HTTP/1.1 400")
    assert b"Invalid character in chunk size" in broken
    line = next(line for line in fleet.events("request") if line["request_id"] == "chunked")
    assert line["payload_bytes"] == len('{"text":"Chunked"}')
