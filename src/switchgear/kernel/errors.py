"""Every error the product raises on purpose.

    SwitchgearError
    ├── CallerError                 the caller must change something
    │   ├── BadRequest              400 invalid_request
    │   │   ├── UnsupportedField    400 unsupported_field
    │   │   ├── NotOffered          400 operation_not_offered
    │   │   ├── PriceUnknown        400 price_unknown
    │   │   ├── NotCapable          400 capability_missing
    │   │   ├── ContextTooLong      400 context_length_exceeded
    │   │   ├── PreviousNotFound    400 previous_response_not_found
    │   │   └── ContentFiltered     400 content_filter
    │   ├── Unauthenticated         401 invalid_api_key
    │   ├── Forbidden               403 permission_denied
    │   ├── NotFound                404 not_found
    │   │   ├── ModelNotFound       404 model_not_found
    │   │   └── ModelRetired        404 model_retired
    │   ├── MethodNotAllowed        405 method_not_allowed
    │   ├── BodyTimeout             408 request_timeout
    │   ├── BodyTooLarge            413 request_too_large
    │   ├── HeadersTooLarge         431 headers_too_large
    │   └── RateLimited             429 rate_limit_exceeded
    │       └── QuotaExceeded       429 insufficient_quota
    ├── UpstreamError               502 upstream_error
    │   ├── UpstreamUnreachable     502 upstream_unreachable
    │   ├── UpstreamGarbled         502 upstream_garbled
    │   ├── UpstreamTruncated       502 upstream_truncated
    │   ├── UpstreamTimeout         504 upstream_timeout
    │   ├── UpstreamUnauthorized    502 upstream_auth
    │   └── UpstreamRefused         the upstream's own status and code
    ├── Overloaded                  503 overloaded
    ├── Internal                    500 internal_error
    └── ConfigError                 never on the wire: the configuration cannot be used

The class says which status, whose fault, and whether trying again can help; the message says what happened, where,
and what to do. A door turns an error into its client's own shape; nothing matches on prose.
"""

from typing import ClassVar, Literal

Fault = Literal["caller", "gateway", "upstream", "operator"]


class SwitchgearError(Exception):
    """The root: an error with a status, a stable code, and whose fault it is."""

    status: int = 500
    code: str = "internal_error"
    fault: ClassVar[Fault] = "gateway"
    retryable: bool = False

    def __init__(self, message: str, *, param: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds


class CallerError(SwitchgearError):
    """The caller must change something before the same call can succeed."""

    status = 400
    code = "invalid_request"
    fault: ClassVar[Fault] = "caller"


class BadRequest(CallerError):
    """The body or a parameter cannot be understood."""


class UnsupportedField(BadRequest):
    """A field of the request has no equal in the upstream's dialect; ``param`` names it."""

    code = "unsupported_field"


class NotOffered(BadRequest):
    """The model's provider cannot perform the operation: no embeddings, no token count."""

    code = "operation_not_offered"


class PriceUnknown(BadRequest):
    """Nobody knows what a call of the model costs, and ``prices.unknown`` is ``block``."""

    code = "price_unknown"


class NotCapable(BadRequest):
    """The model cannot do what the request asks of it, as it is declared; ``param`` names the field."""

    code = "capability_missing"


class ContextTooLong(BadRequest):
    """The prompt does not fit the model's context window."""

    code = "context_length_exceeded"


class PreviousNotFound(BadRequest):
    """The response that the request continues is not kept here for its key, nor by the upstream."""

    code = "previous_response_not_found"


class ContentFiltered(BadRequest):
    """The upstream's content policy refused the prompt."""

    code = "content_filter"


class Unauthenticated(CallerError):
    """No virtual key, or one that is not known."""

    status = 401
    code = "invalid_api_key"


class Forbidden(CallerError):
    """The key is known but may not do this."""

    status = 403
    code = "permission_denied"


class NotFound(CallerError):
    """No such path."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """No such model; the message names close matches."""

    code = "model_not_found"


class ModelRetired(NotFound):
    """The model is not served any more, and no other one answers in its place."""

    code = "model_retired"


class MethodNotAllowed(CallerError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class BodyTimeout(CallerError):
    """The request body did not arrive in time."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(CallerError):
    """The request body is over ``server.max_body_bytes``."""

    status = 413
    code = "request_too_large"


class HeadersTooLarge(CallerError):
    """The request line or the headers are over the gateway's bounds."""

    status = 431
    code = "headers_too_large"


class RateLimited(CallerError):
    """A limit of this gateway is reached; ``retry_after_seconds`` says when to come back."""

    status = 429
    code = "rate_limit_exceeded"
    retryable = True


class QuotaExceeded(RateLimited):
    """A budget of this gateway is spent: trying again helps only in its next window."""

    code = "insufficient_quota"
    retryable = False


class UpstreamError(SwitchgearError):
    """The upstream failed in a way that is not the caller's doing."""

    status = 502
    code = "upstream_error"
    fault: ClassVar[Fault] = "upstream"
    retryable = True


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, so nothing was sent."""

    code = "upstream_unreachable"


class UpstreamGarbled(UpstreamError):
    """The upstream answered something that is not its dialect: HTML, an empty body, broken framing."""

    code = "upstream_garbled"


class UpstreamTruncated(UpstreamError):
    """The upstream's answer ended before it was complete."""

    code = "upstream_truncated"
    retryable = False


Phase = Literal["connect", "first_byte", "first_token", "idle", "total"]


class UpstreamTimeout(UpstreamError):
    """One of the upstream timers fired; ``phase`` says which."""

    status = 504
    code = "upstream_timeout"

    def __init__(self, message: str, *, phase: Phase) -> None:
        super().__init__(message)
        self.phase: Phase = phase


class UpstreamUnauthorized(UpstreamError):
    """The upstream refused the gateway's own credentials (401, 403); the client's virtual key is in order."""

    code = "upstream_auth"
    fault: ClassVar[Fault] = "operator"
    retryable = False


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error of its own, carried over with its status, type and code."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        kind: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after_seconds=retry_after_seconds)
        self.status = status
        self.code = code or "upstream_error"
        self.kind = kind
        self.retryable = status in (408, 409, 429) or status >= 500


class Overloaded(SwitchgearError):
    """This gateway cannot take the call now: too many waiters, draining, or a journal that cannot be written."""

    status = 503
    code = "overloaded"
    retryable = True


class Internal(SwitchgearError):
    """A defect of this gateway; the log holds the traceback under the call's id."""


class ConfigError(SwitchgearError):
    """The configuration cannot be used; the message names the file, the line and the remedy."""

    code = "invalid_config"
    fault: ClassVar[Fault] = "operator"
