from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import settings
from app.encoder.native import library
from app.errors import ConfigurationError
from tests.kernel import has_kernel


def test_defaults_are_those_of_the_design() -> None:
    found = settings.load({})
    assert (found.workers, found.host, found.port) == (10, "127.0.0.1", 8000)


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('port = 9000\nmax_texts = 7\nmodel = "x"\n')
    found, origins = settings.load_with_origins({"BERT_CONFIG": str(file), "BERT_MAX_TEXTS": "8"})
    assert (found.port, found.max_texts, found.max_chars) == (9000, 8, 100000)
    sources = {origin.name: origin.source for origin in origins}
    assert (sources["port"], sources["max_texts"], sources["max_chars"]) == (str(file), "BERT_MAX_TEXTS", "default")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"BERT_MODLE": "x"}, "BERT_MODLE is no setting of serve-bert; did you mean BERT_MODEL?"),
        ({"PORT": "http"}, "PORT: 'http' cannot be used"),
        ({"PORT": "65536"}, "<= 65535"),
        ({"WEB_CONCURRENCY": "0"}, ">= 1"),
        ({"BERT_ENGINE": "onnx"}, "BERT_ENGINE: 'onnx' cannot be used: one of auto, native, sentence-transformers"),
        ({"BERT_ISA": "avx9"}, "BERT_ISA: 'avx9' cannot be used: auto, or one or more of plain, plain_tiles, avx2"),
        ({"BERT_ISA": "avx2,,avx512"}, "BERT_ISA: 'avx2,,avx512' cannot be used"),
        ({"BERT_TRUNCATE": "perhaps"}, "BERT_TRUNCATE: 'perhaps' cannot be used"),
        ({"BERT_MODEL_SHA256": "abc"}, "BERT_MODEL_SHA256"),
        ({"BERT_API_KEY": ","}, "BERT_API_KEY: cannot be used"),
        ({"BERT_API_KEY": " "}, "BERT_API_KEY: cannot be used"),
        ({"BERT_API_KEY": "schlüssel"}, "BERT_API_KEY: cannot be used"),
        ({"BERT_CONFIG": "/no/such.toml"}, "cannot read /no/such.toml: No such file"),
    ],
)
def test_bad_setting_is_one_line_with_its_name(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings.load(environ)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("port = ", "cannot read"), ("prot = 1", "did you mean port?"), ('port = "8000"', "Expected `int`")],
)
def test_bad_file_is_one_line_with_its_name(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=re.escape(str(file))) as caught:
        settings.load({"BERT_CONFIG": str(file)})
    assert sentence in str(caught.value)


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    _, origins = settings.load_with_origins({"BERT_API_KEY": "hunter2"})
    assert "hunter2" not in repr(origins)
    assert next(origin.value for origin in origins if origin.name == "api_key") == "********"


def test_every_setting_stands_in_default_toml_with_its_variable_and_meaning() -> None:
    text = settings.default_path().read_text(encoding="utf-8")
    documented = re.findall(r"^# \[(\w+)\] .{20,}\n(\w+) = ", text, flags=re.MULTILINE)
    assert [name for _, name in documented] == list(settings.FIELDS)
    assert [variable for variable, _ in documented] == list(map(settings.environment_name, settings.FIELDS))


def test_every_setting_stands_in_the_readme() -> None:
    readme = Path("README.md").read_text(encoding="utf-8")
    missing = [name for name in map(settings.environment_name, settings.FIELDS) if f"`{name}`" not in readme]
    assert not missing


@pytest.mark.skipif(not has_kernel(), reason="there is no kernel")
def test_every_path_of_the_kernel_may_be_named() -> None:
    """Those that this processor cannot run, too."""
    kernel, index = library.load(), 0
    while (name := kernel.bert_path_name(index)) is not None:
        assert settings.load({"BERT_ISA": name.decode()}).isa == name.decode()
        index += 1
    assert index >= 2
