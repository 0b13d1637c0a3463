"""What of a request reaches the provider when it is passed through, and where its answer leads the client."""

import json
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from switchgear.config.model import PassThroughEntry, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, configured, running, serving
from tests.doors.vendors import Told, vendor

NARROW = {"authorization": f"Bearer {KEY}-narrow"}


@pytest.mark.parametrize(
    "dressed",
    [
        "..", ".", "%2e%2e", ".%2e", "%2E.", "..;", "..;a=b", "..%3b", "%2e%2e%3Bx", "..%2f", "..%5c", "a%5c..%5cb",
        "%252e%252e", "%25252e%25252e", "..%253b", "a%252f..", "..%20", "%09..", "..%00", ".%0d.", "%c2%85..",
        "%ef%bc%8e%ef%bc%8e", "%e2%80%a5", "a%ef%bc%8f..", ";/..", "%2525252525252e", "..%00.png", "..%3fx", "..%23x",
        "%25u002e%25u002e", "a%0db",
    ],
)  # fmt: skip
@pytest.mark.parametrize("below", ["/v1/files/", "/passthrough/vendor/files/", "/my/vendor/"])
async def test_no_segment_leads_out_of_the_providers_path_however_it_is_dressed(below: str, dressed: str) -> None:
    told = Told()
    mounts = (PassThroughEntry(path="/my/vendor/", provider="vendor", upstream_path="/v2/"),)
    async with (
        ScriptedUpstream(told) as upstream,
        serving(replace(configured(vendor(upstream)), passthrough=mounts)) as house,
    ):
        status, *_ = await house.ask("GET", f"{below}{dressed}/admin")
    assert status == 400
    assert told.heads == []


@pytest.mark.parametrize("name", ["a.b", "...", "..a", "a..", ".a;b", "a%20b", "a%25b", "100%25", "%c3%a9", "a;.."])
async def test_dots_that_lead_nowhere_stay(name: str) -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        status, *_ = await house.ask("GET", f"/v1/files/{name}")
    assert status == 200
    assert told.heads[0].lower().startswith(f"get /base/v1/files/{name} http".encode())


async def test_whose_account_pays_is_no_clients_choice_nor_is_it_told() -> None:
    head = b"openai-organization: acme\r\nopenai-project: p1\r\nopenai-version: 2020-10-01\r\nx-served-by: 7"
    sent = {"openai-organization": "org-theirs", "openai-project": "p2", "x-experiment": "a"}
    told = Told(head=head)
    async with ScriptedUpstream(told) as upstream:
        async with running(providers=vendor(upstream)) as house:
            _, headers, _ = await house.ask("GET", "/v1/files", b"", **sent)
        assert not any(name.encode() in told.heads[0].lower() for name in sent)
        assert headers["openai-version"] == "2020-10-01"
        assert headers.keys().isdisjoint({"openai-organization", "openai-project", "x-served-by"})
        opened = vendor(
            upstream,
            passthrough_request_headers=("OpenAI-Project", "x-experiment"),
            passthrough_response_headers=("OpenAI-Organization", "x-served-by"),
        )
        async with running(providers=opened) as house:
            _, headers, _ = await house.ask("GET", "/v1/files", b"", **sent)
    assert b"openai-project: p2\r\n" in told.heads[1]
    assert b"x-experiment: a\r\n" in told.heads[1]
    assert b"org-theirs" not in told.heads[1]
    assert (headers["openai-organization"], headers["x-served-by"]) == ("acme", "7")


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?provider=vendor&limit=2", "", 200),
        ("?limit=2", "vendor", 200),
        ("?limit=2&provider=vendor", "vendor", 200),
        ("?limit=2&pr%6fvider=vendor", "", 200),
        ("?provider=vendor", "other", 400),
        ("?provider=vendor&provider=other", "", 400),
        ("?provider=nobody", "", 400),
        ("", "", 400),
    ],
)
async def test_a_header_or_the_query_chooses_among_several_providers(query: str, header: str, status: int) -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream:
        both = {**vendor(upstream), "other": ProviderEntry(kind="openai_compatible", base_url="http://127.0.0.1:9/v1")}
        async with running(providers=both) as house:
            got, *_ = await house.ask("GET", f"/v1/files{query}", x_switchgear_provider=header)
    assert got == status
    assert [head.split(b" ")[1] for head in told.heads] == ([b"/base/v1/files?limit=2"] if status == 200 else [])


async def test_who_chooses_a_provider_needs_the_right_to_it() -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        status, *_ = await house.ask("GET", "/v1/files?provider=vendor", b"", **NARROW)
    assert status == 403
    assert told.heads == []


async def test_of_a_models_deployments_the_chosen_providers_answers() -> None:
    told = Told()
    both = ModelEntry(deployments=(DeploymentEntry(model="sim/a"), DeploymentEntry(model="vendor/b")))
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models={"both": both}) as house,
    ):
        for path in ("/v1/images/generations", "/v1/fine_tuning/jobs"):
            status, *_ = await house.post(f"{path}?provider=vendor", {"model": "both"})
            assert status == 200
        status, _, body = await house.post("/v1/images/generations?provider=vendor", {"model": "sim/a"})
        assert (status, b"no deployment" in body) == (400, True)
    assert told.bodies == [b'{"model": "b"}'] * 2


async def test_a_query_of_ones_own_that_is_called_so_goes_on_below_a_providers_name() -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        await house.ask("GET", "/passthrough/vendor/things?provider=theirs")
    assert told.heads[0].startswith(b"GET /base/v1/things?provider=theirs ")


class Heading:
    """An upstream that answers HEAD as HTTP wants it: the head of a GET's answer."""

    def __init__(self, status: int = 200) -> None:
        self.heads: list[bytes] = []
        self._status = status

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.heads.append((await peer.request())[0])
            await peer.send(
                b"HTTP/1.1 %d X\r\ncontent-type: a/b\r\netag: x\r\ncontent-length: 1234\r\n\r\n" % self._status
            )


@pytest.mark.parametrize("path", ["/v1/files/f", "/passthrough/vendor/files/f"])
async def test_head_goes_up_as_head_and_comes_back_with_the_length_that_was_told(path: str) -> None:
    told = Heading()
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        for _ in range(2):
            status, headers, body = await house.ask("HEAD", path)
            assert (status, headers["content-length"], headers["etag"], body) == (200, "1234", "x", b"")
    assert {head.split(b" ")[0] for head in told.heads} == {b"HEAD"}
    assert {(record.outcome, record.status, record.response_bytes) for record in house.journal.records} == {
        ("ok", 200, 0)
    }
    assert {record.attempts[0].outcome for record in house.journal.records} == {"ok"}


async def test_a_refusal_of_head_is_recorded_as_one() -> None:
    async with ScriptedUpstream(Heading(404)) as upstream, running(providers=vendor(upstream)) as house:
        status, _, body = await house.ask("HEAD", "/v1/files/f")
        assert (status, body) == (404, b"")
        status, *_ = await house.ask("HEAD", "/v1/images/generations")
        assert status == 405
    first, second = house.journal.records
    assert (first.status, first.outcome, first.attempts[0].outcome) == (404, "failed", "failed")
    assert (second.status, second.outcome) == (405, "refused")


async def test_the_simulator_answers_head_too() -> None:
    async with running() as house:
        status, headers, body = await house.ask("HEAD", "/v1/files")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 2


@pytest.mark.parametrize(
    ("path", "location", "leads_to"),
    [
        ("/v1/files/f/content", "https://store.example/f?sig=abc", "https://store.example/f?sig=abc"),
        ("/v1/files/f/content", "//store.example/f", "http://store.example/f"),
        ("/v1/files/f/content", "/base/v1/files/g", "/v1/files/g"),
        ("/files/f/content", "http://UPSTREAM/base/v1/files/g?limit=1&version=7", "/files/g?limit=1"),
        ("/v1/files/f/content", "../g", "/v1/files/g"),
        ("/passthrough/vendor/files/f", "/base/v1/files/g", "/passthrough/vendor/files/g"),
        ("/my/vendor/files/f", "/base/v1/v2/files/g", "/my/vendor/files/g"),
        ("/my/vendor/files/f", "/base/v1/files/g", None),
        ("/my/x/files", "/base/v1/x", None),
        ("/v1/files/f/content", "/elsewhere", None),
        ("/v1/files/f/content", "/base/v1x/files", None),
        ("/files/f/content", "/base/v1//evil.example/", "/evil.example/"),
        ("/v1/files/f/content", "https://me:you@store.example/", None),
        ("/v1/files/f/content", "https://store.example/?k=upstream-secret-key", None),
        ("/v1/files/f/content", "ftp://store.example/f", None),
        ("/v1/files/f/content", "javascript:alert(1)", None),
        ("/v1/files/f/content", "http://store.example:x/", None),
    ],
)
async def test_a_redirection_is_never_followed_and_leads_the_client_through_the_gateway_or_elsewhere(
    path: str, location: str, leads_to: str | None
) -> None:
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        heads.append((await peer.request())[0])
        leads = location.replace("UPSTREAM", upstream.origin.authority).encode()
        await peer.send(b"HTTP/1.1 302 Found\r\nlocation: %b\r\ncontent-length: 4\r\n\r\ngone" % leads)

    mounts = (
        PassThroughEntry(path="/my/vendor/", provider="vendor", upstream_path="/v2/"),
        PassThroughEntry(path="/my/*/files", provider="vendor", upstream_path="/*"),
    )
    async with ScriptedUpstream(script) as upstream:
        entries = vendor(upstream, query={"version": "7"}, headers={"x-extra": Secret("upstream-secret-key")})
        async with serving(replace(configured(entries), passthrough=mounts)) as house:
            status, headers, body = await house.ask("GET", path)
    assert (status, headers.get("location"), body) == (302, leads_to, b"gone")
    assert len(heads) == 1
    (record,) = house.journal.records
    assert (record.outcome, record.status, record.attempts[0].status) == ("ok", 302, 302)


def declared(**more: object) -> tuple[PassThroughEntry, ...]:
    return (PassThroughEntry(provider="vendor", **more),)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("entry", "asked", "reached"),
    [
        ({"path": "/a/*", "upstream_path": "/b/*"}, "/a/x/y", "/b/x/y"),
        ({"path": "/a/", "upstream_path": "/b/"}, "/a/", "/b/"),
        ({"path": "/a/*/c", "upstream_path": "/*/d"}, "/a/x/c", "/x/d"),
        ({"path": "/a/*/c/*", "upstream_path": "/*/d/*"}, "/a/x/c/y/z", "/x/d/y/z"),
        ({"path": "/a/c", "upstream_path": "/d"}, "/a/c", "/d"),
        ({"path": "/a/c", "upstream_path": "/d"}, "/a/c/", None),
        ({"path": "/a/*/c", "upstream_path": "/*/d"}, "/a/x/y/c", None),
        ({"path": "/a/*/c", "upstream_path": "/*/d"}, "/a//c", None),
        ({"path": "/a.b/", "upstream_path": "/"}, "/axb/c", None),
    ],
)
async def test_a_star_of_a_declared_path_takes_the_place_of_the_providers(
    entry: Mapping[str, str], asked: str, reached: str | None
) -> None:
    told = Told()
    async with (
        ScriptedUpstream(told) as upstream,
        serving(replace(configured(vendor(upstream)), passthrough=declared(**entry))) as house,
    ):
        status, *_ = await house.ask("GET", asked)
    assert status == (404 if reached is None else 200)
    assert [head.split(b" ")[1].decode() for head in told.heads] == ([] if reached is None else [f"/base/v1{reached}"])


async def test_a_declared_path_takes_the_methods_that_are_declared_for_it() -> None:
    told = Told()
    reading = PassThroughEntry(path="/a/", provider="vendor", upstream_path="/r/", methods=("GET", "HEAD"))
    writing = PassThroughEntry(path="/a/", provider="vendor", upstream_path="/w/", methods=("POST",))
    async with (
        ScriptedUpstream(told) as upstream,
        serving(replace(configured(vendor(upstream)), passthrough=(reading, writing))) as house,
    ):
        for method in ("GET", "POST"):
            status, *_ = await house.ask(method, "/a/x")
            assert status == 200
        status, _, body = await house.ask("DELETE", "/a/x")
        assert status == 405
        assert b"GET and HEAD and POST" in body
        status, *_ = await house.ask("DELETE", "/a/x", authorization="")
        assert status == 401
    assert [head.split(b" ")[1] for head in told.heads] == [b"/base/v1/r/x", b"/base/v1/w/x"]
    assert [record.status for record in house.journal.records] == [200, 200, 405, 401]
    assert json.loads(body)["error"]["code"] == "method_not_allowed"
