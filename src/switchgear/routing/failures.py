"""What has gone wrong with a call so far, and which of it the client is told."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from switchgear.kernel.errors import (
    BadRequest,
    NotOffered,
    Overloaded,
    PriceUnknown,
    SwitchgearError,
    UpstreamRefused,
    UpstreamUnauthorized,
)
from switchgear.routing.deployment import Deployment
from switchgear.routing.policy import Cause

_MAX_NAME = 200


class Failed(Struct, frozen=True, kw_only=True):
    """One attempt that failed."""

    deployment: Deployment
    error: SwitchgearError
    cause: Cause


def worst(failures: Sequence[Failed]) -> SwitchgearError:
    """The last failure that says something of the models, rather than of one upstream's dialect."""
    telling = (failed.error for failed in reversed(failures) if failed.cause != "unsupported")
    return next(telling, failures[-1].error)


def latest(failures: Sequence[Failed], deployment: Deployment) -> Failed | None:
    """The last failure there, under whatever name it was asked."""
    return next((failed for failed in reversed(failures) if failed.deployment.health is deployment.health), None)


def all_rest(model: str, resting: Mapping[Deployment, float]) -> SwitchgearError:
    """The refusal of a call that is sent nowhere, by the seconds that each deployment rests.

    It is in the upstream's own words where there are any.
    """
    deployment = min(resting, key=lambda each: resting[each], default=None)
    seconds = None if deployment is None else resting[deployment]
    complaint = None if deployment is None else deployment.health.complaint
    if isinstance(complaint, UpstreamUnauthorized):
        return UpstreamUnauthorized(complaint.message)
    if isinstance(complaint, UpstreamRefused):
        return UpstreamRefused(
            complaint.message,
            status=complaint.status,
            code=complaint.code,
            kind=complaint.kind,
            retry_after_seconds=seconds,
        )
    return Overloaded(
        f"every deployment of {model[:_MAX_NAME]!r} is resting after failures or a rate limit",
        retry_after_seconds=seconds or 1.0,
    )


def none_able(model: str, operation: str, deployments: Sequence[Deployment]) -> BadRequest:
    """The refusal of a call that none of the deployments can take, well as they may be."""
    if any(each.is_withheld for each in deployments):
        return PriceUnknown(
            f"nobody knows what {model[:_MAX_NAME]!r} costs, and calls of unknown price are not made here; "
            "declare it under 'prices' of its provider",
            param="model",
        )
    return NotOffered(
        f"no provider of {model[:_MAX_NAME]!r} offers {operation.replace('_', ' ')}; choose another model",
        param="model",
    )
