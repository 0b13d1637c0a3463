"""The Authenticate stage: who gets in, and with what refusal the others are turned away."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest

from switchgear.auth.model import KeyRing, VirtualKey, digest_of, key_ring
from switchgear.auth.stage import Authenticate
from switchgear.kernel.call import Call, Caller, Head, Snapshot, model_allowed
from switchgear.kernel.errors import Forbidden, Unauthenticated
from switchgear.kernel.reply import Reply
from switchgear.wire.openai_chat import OpenAIChat

KEY = "sk-sg-0123456789abcdef"


def ring(*, models: tuple[str, ...] = (), disabled: bool = False, anonymous: bool = False) -> KeyRing:
    key = VirtualKey(name="bot", digest=digest_of(KEY), models=models, disabled=disabled)
    return key_ring([key], allow_anonymous_loopback=anonymous)


def call(headers: Mapping[bytes, bytes], keys: KeyRing, *, model: str = "fast", loopback: bool = True) -> Call:
    return Call(
        id="0" * 32,
        door="openai",
        operation="chat",
        dialect=OpenAIChat(),
        body=b"{}",
        head=Head(model=model),
        headers=headers,
        snapshot=Snapshot("v", {KeyRing: keys}),
        started_wall_ns=0,
        started_monotonic_ns=0,
        loopback=loopback,
    )


async def admitted(one: Call) -> str:
    async def last(passed: Call) -> Reply:
        assert passed.caller is not None
        return Reply(200, [], passed.caller.key.encode())

    return (await Authenticate()(one, last)).body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": f"Bearer {KEY}".encode()},
        {b"authorization": f"bearer  {KEY} ".encode()},
        {b"x-api-key": KEY.encode()},
        {b"api-key": KEY.encode()},
        {b"x-goog-api-key": KEY.encode()},
    ],
)
async def test_a_known_key_is_admitted_wherever_the_sdk_puts_it(headers: Mapping[bytes, bytes]) -> None:
    assert await admitted(call(headers, ring())) == "bot"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer wrong"},
        {b"authorization": b"Basic " + KEY.encode()},
        {b"authorization": b"Bearer"},
        {b"x-api-key": b""},
        {b"x-api-key": b"\xff\xfe"},
    ],
)
async def test_a_missing_or_wrong_key_is_refused_with_the_same_words(headers: Mapping[bytes, bytes]) -> None:
    with pytest.raises(Unauthenticated, match="No valid virtual key was given") as refusal:
        await admitted(call(headers, ring()))
    assert refusal.value.status == 401
    assert KEY not in str(refusal.value)


class Watched(Mapping[bytes, tuple[VirtualKey, Caller]]):
    """A ring's table that remembers what was looked up in it."""

    def __init__(self, callers: Mapping[bytes, tuple[VirtualKey, Caller]]) -> None:
        self.asked: list[bytes] = []
        self._callers = callers

    def __getitem__(self, digest: bytes) -> tuple[VirtualKey, Caller]:
        self.asked.append(digest)
        return self._callers[digest]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._callers)

    def __len__(self) -> int:
        return len(self._callers)


@pytest.mark.parametrize("headers", [{}, {b"x-api-key": b"wrong"}, {b"x-api-key": KEY.encode()}])
async def test_a_missing_a_wrong_and_a_right_key_cost_one_look_by_a_digest_each(headers: Mapping[bytes, bytes]) -> None:
    callers = Watched(ring().callers)
    with suppress(Unauthenticated):
        await admitted(call(headers, KeyRing(callers=callers, allows_anonymous_loopback=False)))
    (digest,) = callers.asked
    assert digest == hashlib.sha256(headers.get(b"x-api-key", b"")).digest()


async def test_a_disabled_key_is_refused_like_an_unknown_one() -> None:
    with pytest.raises(Unauthenticated):
        await admitted(call({b"x-api-key": KEY.encode()}, ring(disabled=True)))


async def test_a_key_may_use_only_its_models() -> None:
    headers = {b"x-api-key": KEY.encode()}
    assert await admitted(call(headers, ring(models=("fast", "openai/*")), model="openai/gpt-4o")) == "bot"
    with pytest.raises(Forbidden, match="may not use model 'slow'"):
        await admitted(call(headers, ring(models=("fast",)), model="slow"))


def test_allowed_names_are_exact_or_prefixes() -> None:
    assert model_allowed((), "anything")
    assert model_allowed(("a*",), "abc")
    assert not model_allowed(("a",), "abc")


async def test_without_keys_this_machine_needs_none() -> None:
    assert await admitted(call({b"host": b"localhost:4000"}, ring(anonymous=True))) == "anonymous"
    assert await admitted(call({b"host": b"[::1]:4000"}, ring(anonymous=True))) == "anonymous"


async def test_without_keys_another_machine_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="answers its own machine alone"):
        await admitted(call({b"host": b"localhost:4000"}, ring(anonymous=True), loopback=False))


@pytest.mark.parametrize(
    "headers",
    [
        {b"host": b"evil.example:4000"},
        {b"host": b"localhost:4000", b"origin": b"https://evil.example"},
        {b"host": b"localhost:4000", b"origin": b"null"},
    ],
)
async def test_a_foreign_page_in_a_local_browser_gets_no_free_ride(headers: Mapping[bytes, bytes]) -> None:
    with pytest.raises(Unauthenticated, match=r"asked as localhost, 127\.0\.0\.1 or \[::1\]"):
        await admitted(call(headers, ring(anonymous=True)))
