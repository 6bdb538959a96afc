from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import names, settings
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
    assert (sources["port"], sources["max_chars"]) == (str(file), "default")
    assert sources["max_texts"] == f"BERT_MAX_TEXTS, not {file}", "what a change in the file would not change"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"BERT_MODLE": "x"}, "BERT_MODLE is no setting of serve-bert; did you mean BERT_MODEL?"),
        ({"PORT": "http"}, "PORT: 'http' cannot be used: a whole number from 0 to 65535"),
        ({"PORT": "65536"}, "PORT: '65536' cannot be used: a whole number from 0 to 65535"),
        ({"BERT_MAX_TEXTS": "0"}, "BERT_MAX_TEXTS: '0' cannot be used: a whole number of at least 1"),
        ({"BERT_TRACE_RATIO": "2"}, "BERT_TRACE_RATIO: '2' cannot be used: a number from 0 to 1"),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY: '0' cannot be used: auto, or a number from 1 to 1024"),
        ({"WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY: 'many' cannot be used: auto, or a number from 1 to 1024"),
        ({"BERT_PORT": "9000"}, "BERT_PORT is no setting of serve-bert; did you mean PORT?"),
        ({"BERT_MAX_TOKEN": "9"}, "BERT_MAX_TOKEN is no setting of serve-bert; did you mean BERT_MAX_TOKENS?"),
        ({"BERT_TRUSTED_PROXIES": "10.0.0.0/8, 10.0.0.1/8"}, "BERT_TRUSTED_PROXIES: 10.0.0.1/8 has host bits set"),
        ({"BERT_ADMIN_BIND": "9100"}, "BERT_ADMIN_BIND: '9100' cannot be used: HOST:PORT"),
        ({"BERT_CORS_ORIGINS": "example.org"}, "BERT_CORS_ORIGINS: 'example.org' cannot be used: *, or origins as"),
        ({"BERT_API_KEY_FILE": "/no/such"}, "BERT_API_KEY_FILE: cannot read /no/such: No such file"),
        ({"BERT_API_KEY_FILE": "/dev/null"}, "BERT_API_KEY_FILE: there is no key in /dev/null"),
        ({"BERT_API_KEY_FILE": "/x", "BERT_API_KEY": "k"}, "BERT_API_KEY and BERT_API_KEY_FILE are both set"),
        ({"BERT_ENGINE": "onnx"}, "BERT_ENGINE: 'onnx' cannot be used: one of auto, native, sentence-transformers"),
        ({"BERT_ISA": "avx9"}, "BERT_ISA: 'avx9' cannot be used: auto, or one or more of plain, plain_tiles, avx2"),
        ({"BERT_ISA": "avx2,,avx512"}, "BERT_ISA: 'avx2,,avx512' cannot be used"),
        ({"BERT_TRUNCATE": "perhaps"}, "BERT_TRUNCATE: 'perhaps' cannot be used: true or false"),
        ({"BERT_MODEL_SHA256": "abc"}, "BERT_MODEL_SHA256: 'abc' cannot be used: 64 digits from 0 to 9 and a to f"),
        ({"BERT_API_KEY": "a b"}, "BERT_API_KEY: cannot be used: KEY or NAME:KEY, several with commas between"),
        ({"BERT_API_KEY": "search:"}, "BERT_API_KEY: the key of number 1 is empty"),
        ({"BERT_API_KEY": "a:x, :y"}, "BERT_API_KEY: the name of number 2 is empty"),
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
    [
        ("port = ", "cannot read"),
        ("prot = 1", "did you mean port?"),
        ("PORT = 1", "did you mean port?"),
        ("BERT_MAX_TEXTS = 5", "did you mean max_texts?"),
        ("WEB_CONCURRENCY = 5", "did you mean workers?"),
        ('port = "8000"', "a whole number from 0 to 65535, without quotation marks"),
    ],
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


def test_keys_come_from_a_file_and_are_masked(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("hunter2\n\nhunter3,hunter4\n")
    found, origins = settings.load_with_origins({"BERT_API_KEY_FILE": str(tmp_path / "keys")})
    assert found.api_key == "hunter2,hunter3,hunter4"
    for shown in (repr(found), f"{found}", str(found.__rich_repr__()), repr(origins)):
        assert "hunter" not in shown
    (tmp_path / "keys").write_text("schlüssel")
    with pytest.raises(ConfigurationError, match="it is not ASCII") as caught:
        settings.load({"BERT_API_KEY_FILE": str(tmp_path / "keys")})
    assert "schl" not in str(caught.value)


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("port = 9000\nworkers = 'auto'")
    empty = dict.fromkeys((*map(names.environment_name, settings.FIELDS), "BERT_CONFIG", "BERT_NOTHING"), "")
    assert settings.load(empty) == settings.load({})
    found = settings.load(empty | {"BERT_CONFIG": str(tmp_path / "own.toml")})
    assert (found.port, found.workers) == (9000, "auto")


def test_the_names_of_a_kubernetes_service_are_passed_over() -> None:
    service = {
        "BERT_SERVICE_HOST": "10.96.0.17",
        "BERT_SERVICE_PORT": "80",
        "BERT_SERVICE_PORT_HTTP": "80",
        "BERT_PORT": "tcp://10.96.0.17:80",
        "BERT_PORT_80_TCP": "tcp://10.96.0.17:80",
        "BERT_PORT_80_TCP_PROTO": "tcp",
        "BERT_PORT_80_TCP_PORT": "80",
        "BERT_PORT_80_TCP_ADDR": "10.96.0.17",
        "BERT_API_V2_SERVICE_HOST": "10.96.0.18",
        "BERT_API_V2_PORT": "udp://10.96.0.18:53",
        "BERT_API_V2_PORT_53_UDP_ADDR": "10.96.0.18",
        "BERT_SIGNAL_PORT": "sctp://10.96.0.19:7",
        "BERT_SIGNAL_PORT_7_SCTP": "sctp://10.96.0.19:7",
    }
    assert settings.load(service) == settings.load({})


def test_a_setting_that_is_retired_does_nothing() -> None:
    environ = {"BERT_METRICS_DIR": "/anywhere"}
    assert settings.load(environ) == settings.load({})
    assert names.retired(environ) == {"BERT_METRICS_DIR": "metrics are kept in memory, and no folder is needed"}


def test_every_setting_stands_in_default_toml_with_its_variable_and_meaning() -> None:
    text = settings.default_path().read_text(encoding="utf-8")
    documented = re.findall(r"^# \[(\w+)\] .{20,}\n(?:# .*\n)*(\w+) = ", text, flags=re.MULTILINE)
    assert [name for _, name in documented] == list(settings.FIELDS)
    assert [variable for variable, _ in documented] == list(map(names.environment_name, settings.FIELDS))


def test_every_setting_stands_in_the_readme() -> None:
    readme = Path("README.md").read_text(encoding="utf-8")
    missing = [name for name in map(names.environment_name, settings.FIELDS) if f"`{name}`" not in readme]
    assert not missing


@pytest.mark.skipif(not has_kernel(), reason="there is no kernel")
def test_every_path_of_the_kernel_may_be_named() -> None:
    """Those that this processor cannot run, too."""
    kernel, index = library.load(), 0
    while (name := kernel.bert_path_name(index)) is not None:
        assert settings.load({"BERT_ISA": name.decode()}).isa == name.decode()
        index += 1
    assert index >= 2


def test_a_choice_may_be_written_in_capitals() -> None:
    chosen = settings.load({"BERT_LOG_LEVEL": "INFO", "BERT_PRECISION": "Float32"})
    assert (chosen.log_level, chosen.precision) == ("info", "float32")
    with pytest.raises(ConfigurationError, match=r"BERT_LOG_LEVEL: 'LOUD' cannot be used: one of debug, info,"):
        settings.load({"BERT_LOG_LEVEL": "LOUD"})
