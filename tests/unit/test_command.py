"""The command: every setting a flag, from the one table; what it cannot do in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from app import command, names, settings
from tests.kernel import has_kernel


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command.command, arguments)


def test_the_settings_command_prints_each_with_source_and_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERT_API_KEY", "alpha")
    monkeypatch.setenv("PORT", "9999")
    printed = run("settings", "--workers", "3").output
    assert "PORT = 9999  (PORT)\n    TCP port to listen on." in printed
    assert "WEB_CONCURRENCY = 3  (--workers)" in printed
    assert "BERT_API_KEY = ********  (BERT_API_KEY)" in printed
    assert printed.count("\n    ") >= len(settings.FIELDS)


def test_help_prints_every_setting_with_its_variable_default_and_choices() -> None:
    printed = " ".join(run("--help").output.split())
    for one in settings.table():
        assert f"{names.flag(one.name)}" in printed
        assert one.meaning[:30].strip() in printed.replace("- ", "-")
        assert f"[{names.environment_name(one.name)}" in printed
    assert "--precision auto|float32|bfloat16|int8" in printed
    assert "--truncate / --no-truncate" in printed
    assert "[PORT; default: 8000]" in printed


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.toml"
    file.write_text('port = 1\nhost = "::1"\nworkers = 2\ntruncate = true')
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("HOST", "0.0.0.0")
    printed = run("--port", "3", "settings", "--config", str(file), "--no-truncate").output
    for line in ("PORT = 3  (--port, not {})", "HOST = 0.0.0.0  (HOST, not {})", "WEB_CONCURRENCY = 2  ({})"):
        assert line.format(file) in printed
    assert f"BERT_TRUNCATE = false  (--truncate, not {file})" in printed


def test_the_later_flag_wins() -> None:
    assert "PORT = 4  (--port)" in run("--port", "3", "settings", "--port", "4").output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["settings", "--port", "x"], "serve-bert: --port: 'x' cannot be used: a whole number from 0 to 65535"),
        (["settings", "--engine", "none"], "serve-bert: --engine: 'none' cannot be used: one of auto, native,"),
        (["settings", "--config", "/no/such"], "serve-bert: BERT_CONFIG: cannot read /no/such: No such file"),
        (["settings", "--api-key", "ü"], "serve-bert: --api-key: cannot be used"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_every_flag_of_embed_is_a_setting() -> None:
    from app.command import embed

    assert set(embed.SETTINGS) <= set(settings.FIELDS)


def embed(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        command.main(["embed", "--engine", "native", "--processes", "1", *arguments])
    assert not isinstance(caught.value.code, str), caught.value.code
    return caught.value.code or 0


def test_embed_writes_vectors_and_says_what_was_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not has_kernel():
        pytest.skip("there is no kernel; live tests have the other engine")
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "Hello"}\n{"text": "' + "word " * 300 + '"}\n{}\n')
    assert embed(str(file), "--precision", "float32") == 0
    printed = capsys.readouterr().err
    assert np.load(tmp_path / "texts.npy").shape == (2, 384)
    assert json.loads((tmp_path / "texts.rejected.jsonl").read_text())["reason"] == "there is no field 'text'"
    assert "texts.npy: 2 vectors of 384 numbers" in printed
    assert "1 text cut to 256 tokens: 46 tokens lost" in printed
    assert "1 line without a vector" in printed


def test_embed_that_gives_nothing_fails(tmp_path: Path) -> None:
    if not has_kernel():
        pytest.skip("there is no kernel; live tests have the other engine")
    file = tmp_path / "texts.jsonl"
    file.write_text("[]")
    assert embed(str(file)) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["embed", "a.txt", "--id-field", "id"], "--text-field and --id-field are for JSON lines"),
        (["--port", "1", "embed", "a.txt"], "--port has no effect on embed"),
        (["embed", "a.json"], "--format lines or --format jsonl"),
        (["embed", "none.txt"], "'none.txt' does not exist"),
        (["embed", "a.txt", "--processes", "0"], "0 is not in the range"),
    ],
)
def test_a_flag_without_effect_is_refused(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "a.json"):
        Path(name).touch()
    found = run(*arguments)
    assert found.exit_code == 2
    assert sentence in found.output
