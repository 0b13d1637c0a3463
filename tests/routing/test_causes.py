"""Why an attempt failed, by class, status and code."""

import pytest

from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    Internal,
    Overloaded,
    SwitchgearError,
    UnsupportedField,
    UpstreamGarbled,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from switchgear.routing.causes import AGAIN, COUNTED, ELSEWHERE, ONLY_DECLARED, SENT_AWAY, cause_of
from switchgear.routing.policy import Cause
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.bedrock_converse import BedrockConverse
from switchgear.wire.cohere_chat import CohereChat
from switchgear.wire.openai_chat import OpenAIChat


@pytest.mark.parametrize(
    ("error", "answered", "cause"),
    [
        (UpstreamUnreachable("x"), False, "unreachable"),
        (UpstreamTimeout("x", phase="connect"), False, "unreachable"),
        (UpstreamTimeout("x", phase="first_byte"), False, "timeout"),
        (UpstreamTimeout("x", phase="first_token"), True, "timeout"),
        (UpstreamTimeout("x", phase="idle"), True, "timeout"),
        (UpstreamTimeout("x", phase="total"), True, "timeout"),
        (UpstreamTruncated("x"), False, "unanswered"),
        (UpstreamTruncated("x"), True, "truncated"),
        (UpstreamGarbled("x"), True, "garbled"),
        (UpstreamUnauthorized("x"), True, "auth"),
        (Overloaded("x"), False, "busy"),
        (UnsupportedField("x"), False, "unsupported"),
        (BadRequest("x"), False, "unsupported"),
        (ContextTooLong("x"), True, "context_length"),
        (ContentFiltered("x"), True, "content_filter"),
        (Internal("x"), True, "server_error"),
    ],
)
def test_errors_without_a_status_of_their_own(error: SwitchgearError, cause: Cause, *, answered: bool) -> None:
    assert cause_of(error, answered=answered) == cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "refused"),
        (402, "quota"),
        (404, "refused"),
        (408, "timeout"),
        (409, "server_error"),
        (413, "context_length"),
        (422, "refused"),
        (425, "server_error"),
        (429, "rate_limited"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (504, "timeout"),
        (520, "server_error"),
        (529, "overloaded"),
    ],
)
def test_a_status_without_a_code(status: int, cause: Cause) -> None:
    assert cause_of(UpstreamRefused("x", status=status), answered=True) == cause


OPENAI = b'{"error":{"message":"m","type":"%b","param":null,"code":%b}}'
ANTHROPIC = b'{"type":"error","error":{"type":"%b","message":"m"}}'


@pytest.mark.parametrize(
    ("status", "kind", "code", "cause"),
    [
        (400, b"invalid_request_error", b'"context_length_exceeded"', "context_length"),
        (400, b"invalid_request_error", b'"string_above_max_length"', "context_length"),
        (400, b"invalid_request_error", b'"content_filter"', "content_filter"),
        (400, b"invalid_request_error", b'"content_policy_violation"', "content_filter"),
        (429, b"insufficient_quota", b'"insufficient_quota"', "quota"),
        (429, b"insufficient_quota", b"null", "quota"),
        (429, b"requests", b'"rate_limit_exceeded"', "rate_limited"),
        (429, b"tokens", b'"rate_limit_exceeded"', "rate_limited"),
        (500, b"server_error", b"null", "server_error"),
        (503, b"service_unavailable", b'"engine_overloaded"', "overloaded"),
        (404, b"invalid_request_error", b'"model_not_found"', "refused"),
    ],
)
def test_openai_refusals(status: int, kind: bytes, code: bytes, cause: Cause) -> None:
    error = OpenAIChat().read_error(status, OPENAI % (kind, code), None)
    assert cause_of(error, answered=True) == cause


@pytest.mark.parametrize(
    ("status", "kind", "cause"),
    [
        (400, b"invalid_request_error", "refused"),
        (402, b"billing_error", "quota"),
        (413, b"request_too_large", "context_length"),
        (429, b"rate_limit_error", "rate_limited"),
        (500, b"api_error", "server_error"),
        (504, b"timeout_error", "timeout"),
        (529, b"overloaded_error", "overloaded"),
        (500, b"overloaded_error", "overloaded"),
    ],
)
def test_anthropic_refusals(status: int, kind: bytes, cause: Cause) -> None:
    error = Anthropic().read_error(status, ANTHROPIC % kind, None)
    assert cause_of(error, answered=True) == cause


ANTHROPICS = b'{"type":"error","error":{"type":"invalid_request_error","message":"%b"}}'
AMAZONS = b'{"__type":"ValidationException","message":"%b"}'
COHERES = b'{"id":"r","message":"%b"}'
VLLMS = b'{"error":{"message":"%b","type":"BadRequestError","param":null,"code":400}}'


@pytest.mark.parametrize(
    ("dialect", "body", "said"),
    [
        (Anthropic(), ANTHROPICS, b"prompt is too long: 207791 tokens > 200000 maximum"),
        (Anthropic(), ANTHROPICS, b"input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000"),
        (Anthropic(), ANTHROPICS, b"This model's maximum context length is 2048 tokens. However, you requested 3000"),
        (BedrockConverse(), AMAZONS, b"Input is too long for requested model."),
        (
            BedrockConverse(),
            AMAZONS,
            b"The model returned the following errors: prompt is too long: 9 tokens > 8",
        ),
        (
            BedrockConverse(),
            AMAZONS,
            b"The model returned the following errors: Input Tokens Exceeded: Number of",
        ),
        (BedrockConverse(), AMAZONS, b"This model's maximum context length is 8192 tokens. Please reduce the length."),
        (BedrockConverse(), AMAZONS, b"Too many input tokens. Max input tokens: 8192, request input token count: 9000"),
        (CohereChat(), COHERES, b"too many tokens: size limit exceeded by 11326 tokens. Try using shorter inputs."),
        (CohereChat(), COHERES, b"too many tokens: total number of tokens in the prompt cannot exceed 4081"),
        (
            CohereChat(),
            COHERES,
            b"Too many tokens: the total number of tokens in the prompt exceeds the limit",
        ),
        (
            OpenAIChat(),
            VLLMS,
            b"This model's maximum context length is 2048 tokens. However, you requested 3000",
        ),
        (
            OpenAIChat(),
            VLLMS,
            b"'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 2048",
        ),
        (OpenAIChat(), b'{"error":{"code":400,"message":"%b","type":"exceed_context_size_error"}}', b"too big"),
    ],
)
def test_a_prompt_that_is_too_long_is_told_from_other_mistakes_where_the_vendor_has_no_code_for_it(
    dialect: Dialect, body: bytes, said: bytes
) -> None:
    assert cause_of(dialect.read_error(400, body % said, None), answered=True) == "context_length"


@pytest.mark.parametrize(
    ("dialect", "body", "said"),
    [
        (Anthropic(), ANTHROPICS, b"messages.0: your text 'prompt is too long: 9 tokens > 8 maximum' is empty"),
        (Anthropic(), ANTHROPICS, b"max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens"),
        (BedrockConverse(), AMAZONS, b"The value at toolConfig failed: Input is too long for requested model."),
        (BedrockConverse(), b'{"__type":"ThrottlingException","message":"%b"}', b"Too many input tokens"),
        (CohereChat(), COHERES, b"too many tokens: max tokens must be less than or equal to 4096"),
        (OpenAIChat(), VLLMS, b"unknown field: This model's maximum context length is 2048 tokens"),
        (OpenAIChat(), VLLMS.replace(b"400", b'"bad_model"'), b"This model's maximum context length is 2048 tokens"),
    ],
)
def test_nothing_else_is_taken_for_one(dialect: Dialect, body: bytes, said: bytes) -> None:
    assert cause_of(dialect.read_error(400, body % said, None), answered=True) != "context_length"


def test_words_decide_nothing() -> None:
    error = UpstreamRefused("maximum context length exceeded, content filter, rate limit", status=400)
    assert cause_of(error, answered=True) == "refused"


def test_what_follows_from_causes_agrees_with_itself() -> None:
    assert AGAIN <= ELSEWHERE
    assert COUNTED <= AGAIN
    assert not SENT_AWAY & COUNTED
    assert {"content_filter", "context_length", "refused"} == ONLY_DECLARED - ELSEWHERE
