"""``switchgear traces comments``: what it refuses before it asks anybody."""

import pytest
from typer.testing import CliRunner

from switchgear.cli import application


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--say", "about nothing"], "either a trace, or --session"),
        (["1" * 32, "--session", "s", "--say", "about both"], "either a trace, or --session"),
        (["--span", "2" * 16], "name that, too"),
    ],
)
def test_a_comment_is_on_one_thing(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(application(), ["traces", "comments", "--url", "http://localhost:1", *arguments])
    assert (result.exit_code, told in result.stderr) == (1, True)
