"""What ``serve`` says when it answers."""

from switchgear.config.model import Config, ProviderEntry
from switchgear.processes.banner import banner


def told(**kinds: str) -> str:
    config = Config(providers={name: ProviderEntry(kind=kind) for name, kind in kinds.items()})
    return banner(config, "127.0.0.1", 4000, None)


def test_simulators_are_called_so_and_nobody_else_is() -> None:
    assert "  providers      sim, leisurely (simulator)\n" in told(sim="openai", leisurely="simulator")


def test_the_call_to_paste_goes_to_the_simulator_by_its_name() -> None:
    assert '"model": "leisurely/echo"' in told(sim="openai", leisurely="simulator")
