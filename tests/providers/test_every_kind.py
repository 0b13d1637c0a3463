"""Every kind of provider that the product finds keeps the contract of the seam."""

import pytest

from switchgear.providers import Kind, discover
from switchgear.testing.provider_contract import ProviderContract


class TestEveryKind(ProviderContract):
    @pytest.fixture(params=sorted(discover(())))
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        return discover(())[request.param]
