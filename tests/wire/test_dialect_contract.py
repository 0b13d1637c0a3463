"""Every dialect of conversations that the registry finds keeps the contract of its seam."""

from typing import Final

import pytest

from switchgear.kernel.dialect import Dialect
from switchgear.testing.dialect_contract import DialectContract
from switchgear.wire.registry import discover

SPOKEN: Final = {name: dialect for name, dialect in discover().items() if dialect.family == "chat"}


@pytest.fixture(params=[name for name in SPOKEN if name != "openai_completions"])
def spoken(request: pytest.FixtureRequest) -> Dialect:
    return SPOKEN[request.param]


class TestEveryDialect(DialectContract):
    @pytest.fixture
    def dialect(self, spoken: Dialect) -> Dialect:
        return spoken


class TestCompletionsOfAPrompt(DialectContract):
    calls_tools = False
    thinks = False

    @pytest.fixture
    def dialect(self) -> Dialect:
        return SPOKEN["openai_completions"]
