"""What is passed through is paid for by what its answer tells; what tells nothing is of unknown cost, never free."""

import json
from collections.abc import Mapping

import pytest

from switchgear.app.prices import declared_version
from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.kernel.record import Attempt
from switchgear.models.rate_card import PriceCard
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, House, configured, serving
from tests.doors.vendors import Told

TOKENS = PriceCard(input="1", output="10", image_input="2")
MEASURED = PriceCard(input="0", output="0", audio_minute="0.006", characters="15", image="0.04")
ALIAS = ModelEntry(deployments=(DeploymentEntry(model="vendor/m"),))
Request = tuple[str, str, Mapping[str, object]]
JSON = b"content-type: application/json"


async def attempted(card: PriceCard | None, told: Told, request: Request, *, opened: bool = False) -> Attempt:
    """The only attempt of one call at a vendor whose model costs what the card says."""
    method, path, body = request
    async with ScriptedUpstream(told) as upstream:
        provider = ProviderEntry(
            kind="openai_compatible",
            base_url=f"http://127.0.0.1:{upstream.origin.port}/v1",
            passthrough=opened,
            prices={} if card is None else {"m": card},
        )
        async with serving(configured({"vendor": provider}, {"named": ALIAS})) as house:
            await asked(house, method, path, body)
            (record,) = house.journal.records
            (attempt,) = record.attempts
            return attempt


async def asked(house: House, method: str, path: str, body: Mapping[str, object]) -> None:
    payload = json.dumps(body).encode() if body else b""
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n"
    await house.raw(
        f"{head}content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n".encode() + payload
    )


IMAGES = ("POST", "/v1/images/generations", {"model": "named", "prompt": "a cat"})
SPEECH = ("POST", "/v1/audio/speech", {"model": "named", "input": "héllo", "voice": "x"})
HEARD = ("POST", "/v1/audio/transcriptions", {"model": "named"})


async def test_tokens_are_paid_by_their_buckets() -> None:
    told = Told(
        b'{"data":[],"usage":{"input_tokens":9,"output_tokens":5,"input_tokens_details":{"image_tokens":7}}}', JSON
    )
    attempt = await attempted(TOKENS, told, IMAGES)
    assert (attempt.cost, attempt.cost_nano_usd) == ("settled", 2000 + 7 * 2000 + 5 * 10_000)
    assert attempt.price == declared_version(TOKENS)


async def test_pictures_are_paid_by_the_piece() -> None:
    told = Told(b'{"data":[{"url":"http://x/1"},{"url" : "http://x/2"},{"b64_json":"\\"url\\":"}]}', JSON)
    attempt = await attempted(MEASURED, told, IMAGES)
    assert (attempt.images, attempt.cost, attempt.cost_nano_usd) == (3, "settled", 120_000_000)


async def test_speech_is_paid_by_the_character() -> None:
    attempt = await attempted(MEASURED, Told(b"RIFF", b"content-type: audio/wav"), SPEECH)
    assert (attempt.characters, attempt.cost, attempt.cost_nano_usd) == (5, "settled", 75_000)


async def test_recordings_are_paid_by_the_minute() -> None:
    told = Told(b'{"text":"hi","duration":90.0}', JSON)
    attempt = await attempted(MEASURED, told, HEARD)
    assert (attempt.audio_seconds, attempt.cost, attempt.cost_nano_usd) == (90.0, "settled", 9_000_000)
    told = Told(b'{"text":"hi","usage":{"type":"duration","seconds":30}}', JSON)
    assert (await attempted(MEASURED, told, HEARD)).cost_nano_usd == 3_000_000


@pytest.mark.parametrize("request_", [IMAGES, SPEECH, HEARD])
async def test_what_nothing_is_told_of_or_has_no_rate_is_of_unknown_cost(
    request_: tuple[str, str, Mapping[str, object]],
) -> None:
    attempt = await attempted(TOKENS, Told(b'{"data":[]}', JSON), request_)
    assert (attempt.cost, attempt.reason, attempt.cost_nano_usd) == ("unknown", "untold", 0)
    attempt = await attempted(None, Told(b'{"data":[]}', JSON), request_)
    assert (attempt.cost, attempt.reason) == ("unknown", "unpriced")


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/v1/files/file-1", ("void", "free")),
        ("DELETE", "/v1/files/file-1", ("void", "free")),
        ("POST", "/v1/moderations", ("void", "free")),
        ("POST", "/v1/batches", ("unknown", "unpriced")),
        ("POST", "/v1/fine_tuning/jobs", ("unknown", "unpriced")),
        ("GET", "/v1/batches", ("void", "free")),
        ("POST", "/passthrough/vendor/anything", ("unknown", "unpriced")),
        ("GET", "/passthrough/vendor/anything", ("void", "free")),
    ],
)
async def test_what_vendors_bill_is_never_free_in_silence(method: str, path: str, cost: tuple[str, str]) -> None:
    attempt = await attempted(TOKENS, Told(b"{}", JSON), (method, path, {}), opened=True)
    assert (attempt.cost, attempt.reason) == cost


CHAT = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'


async def test_a_chat_that_is_passed_through_to_an_opened_provider_is_paid_by_its_model_there() -> None:
    asked = ("POST", "/passthrough/vendor/chat/completions", {"model": "m"})
    attempt = await attempted(TOKENS, Told(CHAT, JSON), asked, opened=True)
    assert (attempt.model, attempt.cost, attempt.cost_nano_usd) == ("m", "settled", 3000 + 20_000)


async def test_a_class_of_service_that_was_chosen_there_has_another_price_that_nobody_knows() -> None:
    asked = ("POST", "/passthrough/vendor/chat/completions", {"model": "m", "service_tier": "priority"})
    attempt = await attempted(TOKENS, Told(CHAT, JSON), asked, opened=True)
    assert (attempt.cost, attempt.reason) == ("unknown", "unpriced")


async def refuse(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}")


async def test_a_refusal_costs_nothing() -> None:
    async with ScriptedUpstream(refuse) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        provider = ProviderEntry(kind="openai_compatible", base_url=url, prices={"m": MEASURED})
        async with serving(configured({"vendor": provider}, {"named": ALIAS})) as house:
            await asked(house, *SPEECH)
            attempt = house.journal.records[0].attempts[0]
            assert (attempt.cost, attempt.reason, attempt.cost_nano_usd) == ("void", "refused", 0)


async def cut(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: 1000\r\n\r\nRIFF")


async def test_speech_that_broke_off_is_estimated_and_costs_no_more_than_all_of_it() -> None:
    async with ScriptedUpstream(cut) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        provider = ProviderEntry(kind="openai_compatible", base_url=url, prices={"m": MEASURED})
        async with serving(configured({"vendor": provider}, {"named": ALIAS})) as house:
            await asked(house, *SPEECH)
            attempt = house.journal.records[0].attempts[0]
    assert (attempt.cost, attempt.reason) == ("estimated", "broken_off")
    assert (attempt.lowest_nano_usd, attempt.cost_nano_usd, attempt.highest_nano_usd) == (0, 75_000, 75_000)
