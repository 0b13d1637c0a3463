"""What lists of models say of the simulator, whatever its provider is called."""

import json

from switchgear.config.model import Config, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from tests.doors.house import KEY, configured, serving

BOTH = (DeploymentEntry(model="leisurely/echo"), DeploymentEntry(model="sim/gpt-4o"))
SIMULATED = {"gentle": True, "calm": True, "either": False, "leisurely/echo": True, "sim/gpt-4o": False}
"""Names, and whether nobody answers to them but the simulator."""


def houses() -> Config:
    """A simulator of another name, and a vendor whom somebody called ``sim``."""
    providers = {
        "leisurely": ProviderEntry(kind="simulator"),
        "sim": ProviderEntry(kind="openai", api_key=Secret("sk-up")),
    }
    models = {
        "gentle": ModelEntry(deployments=(DeploymentEntry(model="leisurely/echo"),), aliases=("calm",)),
        "either": ModelEntry(deployments=BOTH),
    }
    return configured(providers, models)


async def test_a_model_is_owned_by_the_simulator_where_nobody_else_answers() -> None:
    async with serving(houses()) as house:
        for name, simulated in SIMULATED.items():
            _, _, answer = await house.ask("GET", f"/v1/models/{name}")
            assert json.loads(answer)["owned_by"] == ("switchgear simulator" if simulated else "switchgear"), name
        _, _, answer = await house.ask("GET", "/v1/models")
        owners = {model["id"]: model["owned_by"] for model in json.loads(answer)["data"]}
        assert {name for name, owner in owners.items() if owner == "switchgear"} == {"echo", "either"}
        assert "leisurely/lorem" in owners


async def test_googles_list_describes_the_simulator_as_one() -> None:
    async with serving(houses()) as house:
        for name, simulated in SIMULATED.items():
            _, _, answer = await house.ask("GET", f"/v1beta/models/{name}", authorization="", x_goog_api_key=KEY)
            assert json.loads(answer)["description"] == ("switchgear simulator" if simulated else ""), name
