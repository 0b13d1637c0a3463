"""What the whole suite shares: the `long` and `service` markers."""

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


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
