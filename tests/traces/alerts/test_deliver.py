"""Every way of telling, against a real server on loopback that does what a script says."""

import base64
import email
import email.policy
import json
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec import structs

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import ConfigError
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.alerts.deliver.email import Email, Server
from switchgear.traces.alerts.deliver.pagerduty import PagerDuty
from switchgear.traces.alerts.deliver.posting import read_address
from switchgear.traces.alerts.deliver.slack import Slack
from switchgear.traces.alerts.deliver.webhook import DELIVERY, SIGNATURE, TIMESTAMP, Webhook, is_genuine
from switchgear.traces.alerts.notice import Notice
from switchgear.upstream.client import HttpTransport
from tests.traces.alerts.smtp_server import MailServer

FIRING = Notice(
    id="018bcfe5687a7c2e8a3c0d6a1b2c3d4e",
    event="firing",
    rule="errors",
    labels="model=small",
    project="shop",
    severity="critical",
    condition="error_rate of 300 s above 0.05",
    description="Too many calls fail <!channel>",
    value=0.25,
    episode="018bcfe5687a7c2e8a3c0d6a00000001",
    since="2023-11-14T22:13:20+00:00",
    at="2023-11-14T22:13:20+00:00",
)
RECOVERED = structs.replace(FIRING, event="recovered", value=0.0)
SECRET = "a-secret-nobody-may-see"
TLS = Path(__file__).parents[2] / "upstream" / "tls"


class Receiver:
    """Answers each request with the next status, and keeps what came."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.server = ScriptedUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while self.statuses:
            head, body = await peer.request()
            self.heads.append(head.decode())
            self.bodies.append(body)
            echo = body + SECRET.encode()
            answer = f"HTTP/1.1 {self.statuses.pop(0)}\r\ncontent-length: {len(echo)}\r\n\r\n"
            await peer.send(answer.encode() + echo)
        await peer.gone()

    @property
    def url(self) -> str:
        return f"http://{self.server.origin.authority}/hooks/{SECRET}?a=b"

    def header(self, name: str) -> str:
        lines = [line.partition(": ") for line in self.heads[-1].split("\r\n")]
        return next(value for said, _, value in lines if said.lower() == name)


@pytest.fixture
async def transport() -> AsyncGenerator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.aclose()


async def test_a_webhook_is_signed_over_its_time_and_body(transport: HttpTransport) -> None:
    receiver = Receiver("204 No Content", "200 OK")
    clock = FrozenClock()
    async with receiver.server:
        hook = Webhook(transport, receiver.url, SECRET, clock)
        assert (await hook(FIRING)).sent
        first = receiver.header(SIGNATURE)
        clock.advance(5)
        assert (await hook(FIRING)).sent
    assert receiver.heads[0].startswith(f"POST /hooks/{SECRET}?a=b HTTP/1.1\r\n")
    body, said, timestamp = receiver.bodies[1], receiver.header(SIGNATURE), receiver.header(TIMESTAMP)
    assert timestamp == "1700000005"
    assert is_genuine(SECRET, said, timestamp, body)
    assert not is_genuine(SECRET, first, timestamp, body)
    assert not is_genuine(SECRET, said, timestamp, body + b" ")
    assert not is_genuine("another", said, timestamp, body)
    assert receiver.header(DELIVERY) == FIRING.id
    told = json.loads(body)
    assert (told["event"], told["rule"], told["labels"], told["value"]) == ("firing", "errors", "model=small", 0.25)


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ("500 Oops", True),
        ("503 Busy\r\nretry-after: 40", True),
        ("429 Slow\r\nretry-after: 40", True),
        ("404 Gone", False),
        ("401 Who", False),
        ("302 Found\r\nlocation: http://127.0.0.1:1/", False),
    ],
)
async def test_what_an_answer_means_is_told_without_what_it_repeats(
    transport: HttpTransport, answer: str, again: bool
) -> None:
    receiver = Receiver(answer)
    async with receiver.server:
        outcome = await Slack(transport, receiver.url)(FIRING)
    assert (outcome.sent, outcome.status, outcome.again) == (False, int(answer[:3]), again)
    assert outcome.after_seconds == (40.0 if "retry-after" in answer else None)
    assert SECRET not in outcome.error
    assert len(receiver.bodies) == 1


async def test_nobody_at_the_address_is_tried_again_and_the_secret_in_it_is_not_told(transport: HttpTransport) -> None:
    receiver = Receiver()
    async with receiver.server:
        url = receiver.url
    outcome = await Slack(transport, url)(FIRING)
    assert (outcome.sent, outcome.again) == (False, True)
    assert "127.0.0.1" in outcome.error
    assert SECRET not in outcome.error


async def test_slack_gets_blocks_in_which_nothing_calls_a_channel(transport: HttpTransport) -> None:
    receiver = Receiver("200 OK")
    async with receiver.server:
        assert (await Slack(transport, receiver.url)(FIRING)).sent
    told = json.loads(receiver.bodies[0])
    assert [block["type"] for block in told["blocks"]] == ["header", "section", "context"]
    assert told["blocks"][0]["text"]["text"] == ":rotating_light: [firing] errors (model=small) in shop"
    assert "error_rate of 300 s above 0.05" in told["blocks"][1]["text"]["text"]
    assert "<!channel>" not in receiver.bodies[0].decode()


async def test_pagerduty_triggers_and_resolves_one_incident(transport: HttpTransport) -> None:
    receiver = Receiver("202 Accepted", "202 Accepted")
    async with receiver.server:
        pager = PagerDuty(transport, SECRET, receiver.url)
        assert (await pager(FIRING)).sent
        assert (await pager(RECOVERED)).sent
    trigger, resolve = map(json.loads, receiver.bodies)
    assert (trigger["event_action"], trigger["routing_key"], trigger["dedup_key"]) == (
        "trigger",
        SECRET,
        FIRING.episode,
    )
    assert trigger["payload"]["severity"] == "critical"
    assert trigger["payload"]["summary"] == "[firing] errors (model=small) in shop"
    assert trigger["payload"]["custom_details"]["value"] == 0.25
    assert resolve == {"routing_key": SECRET, "dedup_key": FIRING.episode, "event_action": "resolve"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "gopher://host/x",
        "hooks.example.com/x",
        "https://user:pass@host/x",
        "https://host/a b",
        "https://host/\u00e9",
        "https://host:99999/",
        "https:///x",
        "https://host/x#y",
    ],
)
def test_an_address_that_cannot_be_posted_to_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_address(url)
    assert url not in refused.value.message


# ----------------------------------------------------------------------------------------------------------------- mail


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server on loopback shows, and what trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(TLS / "loopback.pem")
    return server, ssl.create_default_context(cafile=str(TLS / "authority.pem"))


async def test_a_mail_goes_out_over_starttls_to_all_addresses() -> None:
    shown, trusted = certified()
    async with MailServer(shown) as mails:
        server = Server(host="127.0.0.1", port=mails.port, user="ada", password=SECRET, tls=trusted)
        outcome = await Email(server, "switchgear@example.com", ("a@example.com", "b@example.com"))(FIRING)
    assert outcome.sent, outcome.error
    assert mails.was_encrypted
    login = next(line for line in mails.commands if line.startswith(b"AUTH PLAIN "))
    assert base64.b64decode(login.split()[-1]) == f"\0ada\0{SECRET}".encode()
    assert mails.commands.index(b"STARTTLS") < mails.commands.index(login)
    mail = email.message_from_bytes(mails.mails[0], policy=email.policy.default)
    assert mail["subject"] == "[firing] errors (model=small) in shop"
    assert mail["to"] == "a@example.com, b@example.com"
    assert mail["message-id"] == f"<{FIRING.id}@switchgear>"
    assert "value: 0.25" in str(mail.get_payload())


async def test_a_name_with_a_line_break_makes_no_header() -> None:
    notice = structs.replace(FIRING, labels="model=x\r\nBcc: eve@example.com")
    async with MailServer() as mails:
        server = Server(host="127.0.0.1", port=mails.port, encryption="none")
        assert (await Email(server, "s@example.com", ("a@example.com",))(notice)).sent
    mail = email.message_from_bytes(mails.mails[0], policy=email.policy.default)
    assert mail["bcc"] is None
    assert [line for line in mails.commands if b"eve" in line] == []


async def test_a_server_without_starttls_or_with_a_strange_certificate_gets_neither_password_nor_mail() -> None:
    shown, _ = certified()
    for tls, again in ((None, False), (shown, True)):
        async with MailServer(tls) as mails:
            server = Server(host="127.0.0.1", port=mails.port, user="ada", password=SECRET)
            outcome = await Email(server, "s@example.com", ("a@example.com",))(FIRING)
        assert (outcome.sent, outcome.again) == (False, again)
        assert mails.mails == []
        assert not any(line.startswith(b"AUTH") for line in mails.commands)


@pytest.mark.parametrize(("refusal", "again"), [(b"451 later " + SECRET.encode(), True), (b"554 never", False)])
async def test_a_mail_that_is_not_taken_is_tried_again_unless_the_server_never_will(
    refusal: bytes, again: bool
) -> None:
    async with MailServer(refusal=refusal + b"\r\n") as mails:
        server = Server(host="127.0.0.1", port=mails.port, encryption="none")
        outcome = await Email(server, "s@example.com", ("a@example.com",))(FIRING)
    assert (outcome.sent, outcome.status, outcome.again) == (False, int(refusal[:3]), again)
    assert SECRET not in outcome.error


async def test_no_mail_server_at_all_is_tried_again() -> None:
    async with MailServer() as mails:
        port = mails.port
    outcome = await Email(Server(host="127.0.0.1", port=port), "s@example.com", ("a@example.com",))(FIRING)
    assert (outcome.sent, outcome.again) == (False, True)
    assert str(port) in outcome.error
