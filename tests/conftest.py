"""What the whole suite shares: the `long` and `service` markers, and how Hypothesis draws."""

import os

import pytest
from hypothesis import settings

# The suite asks the same every time; the long one looks for what nobody has asked yet.
settings.register_profile("suite", derandomize=True)
settings.register_profile("long", derandomize=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    runs_long = bool(config.getoption("--long"))
    for item in items:
        if item.get_closest_marker("long") and not runs_long:
            item.add_marker(pytest.mark.skip(reason="long; run by `make test-long`"))
        for marker in item.iter_markers("service"):
            variable = service_variable(str(marker.args[0]))
            if variable not in os.environ:
                item.add_marker(pytest.mark.skip(reason=f"needs the service that {variable} names"))


def service_variable(name: str) -> str:
    """The environment variable that holds the URL of the service ``name``."""
    return f"SWITCHGEAR_TEST_{name.upper()}_URL"


@pytest.fixture
def service_url(request: pytest.FixtureRequest) -> str:
    """The URL of the engine that the test's `service` marker names."""
    marker = request.node.get_closest_marker("service")
    if marker is None:
        pytest.fail("a test that takes `service_url` needs the marker `service(name)`")
    return os.environ[service_variable(str(marker.args[0]))]
