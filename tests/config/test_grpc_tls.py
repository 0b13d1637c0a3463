"""What is told of the certificate of the port for gRPC, and of its key, before anything listens."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchgear.cli import application
from switchgear.config import Source
from switchgear.kernel.errors import ConfigError
from tests.certificates import Certificate

CONFIG = """providers: {sim: {kind: simulator}}
traces:
  grpc:
    tls:
      certificate: ${file:tls.crt}
      key: ${file:tls.key}
"""


def problem(folder: Path) -> str:
    """What ``switchgear check`` says; empty where all is well."""
    done = CliRunner().invoke(application(), ["check", "--config", str(folder / "switchgear.yaml")])
    assert done.exit_code == (1 if done.stderr else 0)
    return done.stderr.removeprefix(f"error: {folder}/switchgear.yaml:").strip()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good configuration, and the working directory."""
    monkeypatch.chdir(tmp_path)
    certificate = Certificate("door")
    (tmp_path / "switchgear.yaml").write_text(CONFIG)
    (tmp_path / "tls.crt").write_bytes(certificate.pem)
    (tmp_path / "tls.key").write_bytes(certificate.key())
    return tmp_path


def test_a_certificate_with_its_key_is_good(folder: Path) -> None:
    assert problem(folder) == ""


def test_a_file_that_is_not_there_is_named_with_the_line(folder: Path) -> None:
    (folder / "tls.key").unlink()
    assert problem(folder) == (
        "6:12: traces.grpc.tls.key: the file 'tls.key' cannot be read: No such file or directory"
    )


def test_the_key_of_another_certificate_is_told(folder: Path) -> None:
    (folder / "tls.key").write_bytes(Certificate("another").key())
    assert problem(folder) == (
        "6:12: traces.grpc.tls.key is not the key of the certificate: its public half is another one"
    )


def test_a_key_with_a_passphrase_is_told_and_nothing_of_it(folder: Path) -> None:
    (folder / "tls.key").write_bytes(Certificate("another").key("open sesame"))
    assert problem(folder).startswith("6:12: traces.grpc.tls.key is encrypted: take the passphrase off")


def test_a_key_for_a_certificate_and_the_other_way_round_are_told(folder: Path) -> None:
    (folder / "tls.crt").rename(folder / "moved")
    (folder / "tls.key").rename(folder / "tls.crt")
    (folder / "moved").rename(folder / "tls.key")
    with pytest.raises(ConfigError) as told:
        Source(folder / "switchgear.yaml", {}).declared()
    assert [line.split(" ", 1)[1] for line in told.value.message.split("\n")] == [
        f"traces.grpc.tls.{field} cannot be read: it is broken, or of a kind that is not known here"
        for field in ("certificate", "key")
    ]


def test_who_needs_no_secret_asks_no_store_for_one_and_is_not_told_that_its_stand_in_is_no_certificate(
    folder: Path,
) -> None:
    stored = CONFIG.replace("file:tls.crt", "vault:kv/tls#crt").replace("file:tls.key", "vault:kv/tls#key")
    (folder / "switchgear.yaml").write_text(stored)
    grpc = Source(folder / "switchgear.yaml", {}).glance().traces.grpc
    assert grpc is not None
    assert grpc.tls is not None
