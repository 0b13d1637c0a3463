"""What one try of a call that was passed through cost, by whatever its answer told: tokens, time, characters, pictures.

Nothing that may be billed is ever free in silence: where the answer told nothing that has a rate, the cost is unknown.
"""

from typing import Final

from switchgear.doors.passthrough_upload import is_json
from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest, ModelNotFound
from switchgear.kernel.pricing import Measures, Price
from switchgear.kernel.record import Attempt
from switchgear.routing.causes import UNSENT
from switchgear.routing.model import RouteTable
from switchgear.routing.passthrough import Way
from switchgear.wire.named_model import named_model

_FIRST_ERROR_STATUS: Final = 400
_SWITCHED: Final = 101
_SERVICE: Final = b'"service_tier"'
_READING: Final = frozenset(("GET", "HEAD", "DELETE"))


def is_free(method: str, *, billed: bool) -> bool:
    """Whether vendors bill nothing for such a call: reading, deleting, and operations known for it."""
    return not billed or method in _READING


def priced_model(call: Call, way: Way) -> tuple[str, Price | None]:
    """The model that a call names as its provider knows it, and its price, where its usage can be read.

    Only OpenAI's is; a class of service that the call chose has other prices, and its answer is not looked at for it.
    """
    body = call.body
    if not way.speaks_openai or not is_json(call.headers) or not body:
        return "", None
    try:
        model = named_model(body, call.headers).name
        price = call.snapshot.part(RouteTable).find(f"{way.name}/{model}").deployments[0].price if model else None
    except (BadRequest, ModelNotFound):
        # What is passed through is the upstream's to judge.
        return "", None
    return model, None if _SERVICE in body else price


def settle(entry: Attempt, price: Price | None, *, free: bool) -> None:
    """Say what the attempt cost, now that its outcome and all that was measured stand in ``entry``."""
    price = None if price is None else price.at(entry.started_ns)
    if entry.status >= _FIRST_ERROR_STATUS and entry.usage is None:
        entry.cost, entry.reason = "void", "refused"
    elif entry.status == 0 and entry.cause in UNSENT:
        entry.cost, entry.reason = "void", "unsent"
    elif free and (price is None or not price.standard.rates.call):
        entry.cost, entry.reason = "void", "free"
    elif price is None:
        entry.cost, entry.reason = "unknown", "unpriced"
    else:
        _settle_priced(entry, price, free=free)


def _settle_priced(entry: Attempt, price: Price, *, free: bool) -> None:
    measures = Measures(audio_ms=round(entry.audio_seconds * 1000), characters=entry.characters, images=entry.images)
    if entry.usage is not None:
        cost = price.cost(entry.usage, entry.service)
    elif free:
        cost = price.standard.rates.call // 1000
    else:
        cost = price.measured(measures, entry.service)
    if cost is None or entry.status == 0:
        entry.cost = "unknown"
        entry.reason = "cancelled" if entry.outcome == "cancelled" else "unanswered" if not entry.status else "untold"
        return
    entry.cost_nano_usd, entry.price = cost, price.version
    session = entry.status == _SWITCHED
    if entry.outcome == "ok" or (entry.usage is not None and not session):
        entry.cost = "settled"
        return
    # How much was done of what was asked for before it broke off, nobody told.
    entry.cost = "estimated"
    entry.reason = "cancelled" if entry.outcome == "cancelled" else "broken_off"
    if session:
        entry.lowest_nano_usd = cost
    else:
        entry.highest_nano_usd = cost
