"""Limits and budgets, as `switchgear.yaml` declares them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct

from switchgear.config.identity import Description
from switchgear.kernel.money import parse_usd
from switchgear.kernel.ports import FailMode

Scope = Literal["key", "user", "team", "project", "organisation", "end_user", "tag", "model", "provider"]
Period = Literal["second", "minute", "hour", "day", "month"]
SCOPES: Final[tuple[str, ...]] = get_args(Scope)
DOLLARS: Final = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"
Usd = Annotated[str, Meta(pattern=DOLLARS)]
Count = Annotated[int, Meta(ge=1, le=1 << 53)]
QUANTITIES: Final = ("requests", "tokens", "input_tokens", "output_tokens", "concurrent", "usd")


class LimitEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may be used, by whom, in which time. Several amounts are several limits under one name."""

    description: Description = ""
    scope: Annotated[
        Mapping[Scope, Annotated[str, Meta(min_length=1, max_length=256)]],
        Meta(
            description="Whose calls count: by `key`, `user` (its owner), `team`, `project`, `organisation`, "
            "`end_user` (for whom, as the caller says), `tag`, `model` or `provider`; a name, or `*` for each by "
            "itself. Several must all fit. Empty: all calls together."
        ),
    ] = {}
    per: Annotated[Period | None, Meta(description="The time that amounts are for; all but `concurrent` need it.")] = (
        None
    )
    requests: Annotated[Count | None, Meta(description="Calls, also those that fail.")] = None
    tokens: Annotated[Count | None, Meta(description="Input and output tokens together.")] = None
    input_tokens: Annotated[Count | None, Meta(description="Tokens that are read, from caches too.")] = None
    output_tokens: Annotated[Count | None, Meta(description="Tokens that are written, reasoning too.")] = None
    concurrent: Annotated[Count | None, Meta(description="Calls at once.")] = None
    usd: Annotated[Usd | None, Meta(description="Dollars, such as 100 or 0.25; at most nine decimal places.")] = None
    window: Annotated[
        Literal["sliding", "calendar"] | None,
        Meta(
            description="`sliding`: the last so-many seconds, by two buckets. `calendar`: from the UTC minute, hour, "
            "day or month on. Left out: `sliding` for counts, `calendar` for money and for months."
        ),
    ] = None
    action: Annotated[
        Literal["block", "warn", "dry_run"],
        Meta(
            description="Beyond it: `block` the call, `warn` its caller in a header, or only note in the record that "
            "it would have been refused (`dry_run`)."
        ),
    ] = "block"
    when_unavailable: Annotated[
        FailMode,
        Meta(
            description="While the shared counters cannot be asked: `open` lets calls pass and counts them, `closed` "
            "refuses them with 503, `local_share` enforces this gateway's part of the limit."
        ),
    ] = "open"

    def amounts(self) -> Iterator[tuple[str, int]]:
        """Each quantity that is limited, with its limit; dollars as nano-dollars."""
        for quantity in QUANTITIES:
            value: int | str | None = getattr(self, quantity)
            if isinstance(value, str):
                yield quantity, parse_usd(value)
            elif value is not None:
                yield quantity, value
