"""config/deploy/kubernetes: by the schemas of its kinds, by our own settings, and by a Prometheus over a fleet.

No cluster takes them here: what a scheduler, a kubelet, KEDA and the operator make of them is not tested.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import settings
from tests.kit.fleet import wait_for
from tests.kit.places import ROOT
from tests.kit.session import free_port
from tests.kubernetes.manifests import (
    CHECK,
    FOLDER,
    OTHERS,
    OVERLAYS,
    VERSIONS,
    Document,
    complaints,
    documents,
    files,
    has_kustomize,
    kustomization,
    misspelt,
    rendered,
)
from tests.live.hanging import begun, hanging
from tests.live.prometheus import watching

# Below these any key is right: labels, resources by name, what a trigger takes.
FREE = frozenset({"labels", "matchLabels", "nodeSelector", "requests", "limits", "spec.triggers.0.metadata"})
# Of https://keda.sh/docs/2.18/scalers/prometheus/, for its schema takes any.
TRIGGER = {
    *("serverAddress", "query", "queryParameters", "threshold", "activationThreshold", "namespace", "customHeaders"),
    *("ignoreNullValues", "unsafeSsl", "authModes", "timeout", "awsRegion", "azureManagedPrometheus"),
}
with_kustomize = pytest.mark.skipif(not has_kustomize(), reason="there is no kubectl with kustomize here")


def deployment() -> Document:
    return files()["deployment.yaml"]


def pod() -> Document:
    found: Document = deployment()["spec"]["template"]["spec"]
    return found


def container() -> Document:
    [found] = pod()["containers"]
    return dict(found)


def environ() -> dict[str, str]:
    return {one["name"]: one["value"] for one in container()["env"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_is_what_its_kind_wants(version: str) -> None:
    wanted = documents()
    assert len(wanted) >= 6
    told = complaints(list(wanted.values()), version)
    assert {name: said for name, said in zip(wanted, told, strict=True) if said} == {}


@pytest.mark.parametrize("name", files())
def test_a_misspelt_key_is_found_wherever_it_stands(name: str) -> None:
    free = FREE | {"spec.selector"} if name == "service.yaml" else FREE
    wrong = {path: one for path, one in misspelt(files()[name], free) if path not in {"kind", "apiVersion"}}
    assert {"metadata", "metadata.name", "spec"} < set(wrong)
    told = complaints(list(wrong.values()), VERSIONS[-1])
    assert [path for path, said in zip(wrong, told, strict=True) if not said] == []


def test_a_wrong_value_is_found_too() -> None:
    monitor = files()["monitor.yaml"]
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    wrong = [
        monitor | {"spec": monitor["spec"] | {"podMetricsEndpoints": [endpoint | {"interval": value}]}}
        for value in ("5 seconds", 5)
    ]
    service = files()["service.yaml"]
    [port] = service["spec"]["ports"]
    wrong.append(service | {"spec": service["spec"] | {"ports": [port | {"port": "80"}]}})
    assert [bool(said) for said in complaints(wrong, VERSIONS[-1])] == [True] * 3


@with_kustomize
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_all_of_the_base_and_its_own(overlay: str) -> None:
    kinds = [one["kind"] for one in rendered(overlay)]
    own = {"production": OTHERS}.get(overlay, set())
    assert sorted(kinds) == sorted({"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} | own)
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in rendered(overlay)} == {"serve-bert"}
    [found] = [one for one in rendered(overlay) if one["kind"] == "Deployment"]
    if overlay == "laptop":
        assert found["spec"]["replicas"] == 1
    else:  # KEDA's to say: an apply would set it back
        assert "replicas" not in found["spec"]


def test_kustomizations_name_every_file() -> None:
    for folder in (FOLDER / "base", *(FOLDER / "overlays" / name for name in OVERLAYS)):
        there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        named = {name for name in kustomization(folder)["resources"] if name.endswith(".yaml")}
        assert named == there


def test_nothing_more_is_allowed_than_it_needs() -> None:
    security, own = pod()["securityContext"], container()["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 65532)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    text = (ROOT / "config" / "deploy" / "Containerfile").read_text()
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in text


def test_its_settings_are_settings_and_go_with_its_numbers() -> None:
    found = settings.load(environ())
    assert found.workers == "auto"
    grace_s = pod()["terminationGracePeriodSeconds"]
    assert grace_s > found.drain_delay_s + found.graceful_timeout_s + 5
    ready = container()["readinessProbe"]
    assert found.drain_delay_s > ready["periodSeconds"] * ready["failureThreshold"]
    ports = {one["name"]: one["containerPort"] for one in container()["ports"]}
    assert ports == {"http": found.port, "admin": int(found.admin_bind.rpartition(":")[2])}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container()[name]["httpGet"]["port"] == "admin"


def test_a_worker_has_a_whole_core_and_keda_counts_with_as_many() -> None:
    limits = container()["resources"]["limits"]
    assert container()["resources"]["requests"] == limits
    workers = int(limits["cpu"])
    metadata = files()["scaling.yaml"]["spec"]["triggers"][0]["metadata"]
    assert float(metadata["threshold"]) == pytest.approx(0.7 * workers)
    assert re.findall(r"clamp_max\(.*, (\d+)\)\)", metadata["query"]) == [str(workers)]
    assert set(metadata) <= TRIGGER


def test_names_and_labels_find_each_other() -> None:
    labels = {"app.kubernetes.io/name": "serve-bert"}
    found = files()
    assert deployment()["spec"]["template"]["metadata"]["labels"] == labels
    assert found["service.yaml"]["spec"]["selector"] == labels
    selectors = [deployment()["spec"]["selector"], pod()["topologySpreadConstraints"][0]["labelSelector"]]
    selectors += [found[name]["spec"]["selector"] for name in ("disruption.yaml", "monitor.yaml")]
    selectors.append(found["network.yaml"]["spec"]["podSelector"])
    assert selectors == [{"matchLabels": labels}] * 5
    assert found["scaling.yaml"]["spec"]["scaleTargetRef"]["name"] == deployment()["metadata"]["name"]
    volumes = {one["name"] for one in pod()["volumes"]}
    assert {one["name"] for one in container()["volumeMounts"]} == volumes
    assert found["monitor.yaml"]["spec"]["jobLabel"] in labels


@with_kustomize
def test_keys_are_read_from_the_secret_as_a_file() -> None:
    [found] = [one for one in rendered("production") if one["kind"] == "Deployment"]
    spec = found["spec"]["template"]["spec"]
    [secret] = [one for one in spec["volumes"] if "secret" in one]
    [mount] = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == secret["name"]]
    [file] = [one["value"] for one in spec["containers"][0]["env"] if one["name"] == "BERT_API_KEY_FILE"]
    assert Path(file).parent == Path(mount["mountPath"])
    assert mount["readOnly"]
    assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"], "who reads it"
    assert f"--from-file={Path(file).name}=" in (FOLDER / "overlays/production/kustomization.yaml").read_text()


@pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus is not installed (Debian: prometheus)")
@pytest.mark.parametrize(("busy", "waiting", "replicas"), [(0, 0, 0), (1, 0, 1), (2, 0, 2), (2, 1, 3), (2, 9, 3)])
def test_what_scales_it_asks_for_as_many_as_there_is_work(
    tmp_path: Path, busy: int, waiting: int, replicas: int
) -> None:
    metadata: dict[str, Any] = files()["scaling.yaml"]["spec"]["triggers"][0]["metadata"]
    port = free_port()
    with hanging(tmp_path, 2, BERT_ADMIN_BIND=f"127.0.0.1:{port}", BERT_GRACEFUL_TIMEOUT_S="2") as fleet:
        clients = [begun(fleet, "hang" if index < busy else "Hello") for index in range(busy + waiting)]
        admin = fleet.at(port)
        wait_for(lambda: admin.metric("bert_workers_busy") == busy, "who is at work")
        wait_for(lambda: admin.metric("bert_queue_depth") == waiting, "who waits")
        with watching(admin, tmp_path) as prometheus:
            load = float(prometheus.value(metadata["query"]))
        assert load == busy + min(waiting, 2)
        assert math.ceil(load / float(metadata["threshold"])) == replicas
        for client in clients:
            client.close()


@pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed (Debian: prometheus)")
def test_a_replica_that_has_ended_does_not_count_and_none_at_all_is_no_load_of_nought(tmp_path: Path) -> None:
    query = files()["scaling.yaml"]["spec"]["triggers"][0]["metadata"]["query"]
    series = [
        {"series": f'{name}{{job="serve-bert",pod="{pod}"}}', "values": f"{value}x{60 if end else 90}{end}"}
        for pod, end in (("lives", ""), ("ended", " stale"))
        for name, value in (("bert_workers", 2), ("bert_workers_busy", 2), ("bert_queue_depth", 9))
    ]
    cases = [(250, [8]), (310, [4]), (3600, [])]
    tests = [
        {"expr": query, "eval_time": f"{when_s}s", "exp_samples": [{"labels": "{}", "value": one} for one in found]}
        for when_s, found in cases
    ]
    file = tmp_path / "scaling.test.yml"
    group = {"interval": "5s", "input_series": series, "promql_expr_test": tests}
    file.write_text(yaml.safe_dump({"evaluation_interval": "5s", "tests": [group]}))
    ran = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_schemas_are_those_of_the_lock() -> None:
    """They were installed from it, so that a new version is a change that somebody sees."""
    assert (CHECK.parent / "package-lock.json").read_text() == (Path(__file__).parent / "package-lock.json").read_text()
