"""Kinds are found by looking: in the folder, and among the entry points of other distributions."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import switchgear.providers
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import ProviderSettings
from switchgear.providers import Kind, discover, found_in
from switchgear.testing.provider_contract import ProviderContract

ONE_FILE = '''
"""Acme's models."""

from collections.abc import Mapping

from switchgear.kernel.upstream import ProviderSettings, Quirks, Target
from switchgear.providers.endpoint import Endpoint
from switchgear.providers.kind import Environment, Kind


class Acme:
    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks()
        self.forwards = False
        key = (("acme-key", settings.api_key),) if settings.api_key else ()
        self._endpoint = Endpoint.read(settings, "https://api.acme.example", key)

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        return self._endpoint.post("/talk", "openai_chat") if operation == "chat" else None

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        return ()


KINDS = (
    Kind(name="acme", build=Acme, base_url="https://api.acme.example", environment=Environment(key="ACME_API_KEY")),
)
'''


def forget(module: str) -> None:
    sys.modules.pop(module, None)
    importlib.invalidate_caches()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that for the length of a test is part of the package's own."""
    package_path = switchgear.providers.__path__
    package_path.append(str(tmp_path))
    yield tmp_path
    package_path.remove(str(tmp_path))
    for path in tmp_path.glob("*.py"):
        forget(f"switchgear.providers.{path.stem}")


class TestAProviderInOneFile(ProviderContract):
    """The proof that adding a provider takes one file: it keeps the whole contract."""

    @pytest.fixture
    def kind(self, folder: Path) -> Kind:
        (folder / "acme.py").write_text(ONE_FILE)
        return discover(())["acme"]

    def test_the_environment_configures_it_like_the_built_in_ones(self, kind: Kind) -> None:
        found = {kind.name: settings for kind, settings in found_in({"ACME_API_KEY": "k"}, discover(()))}
        assert found["acme"] == ProviderSettings(name="acme", base_url="https://api.acme.example", api_key="k")


def test_a_kind_offered_twice_is_an_error_that_names_both_places(folder: Path) -> None:
    (folder / "second_acme.py").write_text(ONE_FILE.replace('"acme"', '"anthropic"'))
    with pytest.raises(ConfigError, match=r"'anthropic'.*providers\.anthropic and .*second_acme"):
        discover(())


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder from which modules can be imported, as an installed distribution's."""
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for path in tmp_path.glob("*.py"):
        forget(path.stem)


def test_another_distribution_offers_kinds_by_entry_point(elsewhere: Path) -> None:
    (elsewhere / "acme_for_switchgear.py").write_text(ONE_FILE)
    plug_in = EntryPoint("acme", "acme_for_switchgear:KINDS", "switchgear.providers")
    assert "acme" in discover((plug_in,))
    assert "acme" not in discover(())


def test_an_entry_point_that_cannot_be_loaded_is_named() -> None:
    plug_in = EntryPoint("acme", "no_such_module_anywhere:KINDS", "switchgear.providers")
    with pytest.raises(ConfigError, match="acme = no_such_module_anywhere:KINDS"):
        discover((plug_in,))


def test_an_entry_point_that_offers_something_else_is_refused() -> None:
    plug_in = EntryPoint("acme", "math:pi", "switchgear.providers")
    with pytest.raises(ConfigError, match=r"3\.14"):
        discover((plug_in,))


def test_the_installed_entry_points_are_read_when_none_are_given() -> None:
    assert set(discover(())) <= set(discover())


def test_an_empty_environment_holds_the_simulator_alone() -> None:
    assert [settings.name for _, settings in found_in({}, discover(()))] == ["sim"]


def test_an_environment_of_empty_variables_configures_nothing() -> None:
    environ = {"OPENAI_API_KEY": "", "OLLAMA_HOST": "  ", "ANTHROPIC_API_KEY": ""}
    assert [settings.name for _, settings in found_in(environ, discover(()))] == ["sim"]
