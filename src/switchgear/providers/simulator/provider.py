"""Where the simulator is: nowhere, at the scheme ``sim``, where its transport answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from switchgear.kernel.errors import BadRequest, ConfigError
from switchgear.kernel.upstream import PASSTHROUGH, Origin, Provider, ProviderSettings, Quirks, Target
from switchgear.providers.simulator.script import STREAM, read_parameters, write_path

SCHEME: Final = "sim"
_ORIGIN: Final = Origin(scheme=SCHEME, host="simulator", port=0)
STUDIO: Final = Origin(scheme=SCHEME, host="studio", port=0)
"""Where the operations are answered that are passed through."""
_ROOT: Final = Target(origin=STUDIO, method="POST", path="/", headers=(), dialect="openai_chat")
_OPERATIONS: Final = frozenset({"chat", "completions", "embeddings", "rerank"})


class SimulatorProvider:
    """The simulator, speaking the client's own dialect unless the model's name says another (``anthropic:echo``).

    ``query`` of the settings holds default parameters; raises ConfigError when they cannot be used.
    """

    __slots__ = ("_defaults", "forwards", "name", "quirks")

    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks(begins_answers=True)
        self.forwards = False
        self._defaults = dict(settings.query)
        try:
            read_parameters(self._defaults)
        except BadRequest as error:
            raise ConfigError(f"providers.{settings.name}.query: {error.message}") from error

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """None for operations that the simulator does not know; it leaves counting tokens to the gateway's estimate."""
        if operation == PASSTHROUGH:
            return _ROOT
        if operation not in _OPERATIONS:
            return None
        forced, colon, rest = model.partition(":")
        name = rest if colon else model
        return Target(
            origin=_ORIGIN,
            method="POST",
            path=write_path(operation, name, self._defaults),
            headers=(("content-type", "application/json"),),
            dialect=forced if colon else dialect,
            stream_path=write_path(STREAM, name, self._defaults),
        )

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        """None: there is nobody to read them."""
        return ()


if TYPE_CHECKING:
    _: type[Provider] = SimulatorProvider
