"""Objects over HTTP: made, listed, changed, deleted and brought back, by whoever knows which version they change."""

import httpx

from switchgear.app.database import ControlDatabase
from tests.management import application, client

READS = {"allow": ["model:read"]}
WRITES = {"allow": ["model:write"], "description": "Writes models; größe €."}


async def make(api: httpx.AsyncClient, name: str = "reader") -> httpx.Response:
    return await api.post("/roles", json={"name": name, "spec": READS})


async def test_an_object_is_made_and_read_back(api: httpx.AsyncClient) -> None:
    made = await make(api)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/api/v1/roles/reader"
    assert made.headers["etag"] == '"1"'
    read = await api.get("/roles/reader")
    assert read.json() == made.json()
    assert read.json()["spec"] == {"description": "", "allow": ["model:read"], "deny": []}
    assert (read.json()["source"], read.json()["created_by"]) == ("database", "local")


async def test_a_name_that_is_taken_is_refused(api: httpx.AsyncClient) -> None:
    await make(api)
    again = await make(api)
    assert (again.status_code, again.json()["code"]) == (409, "exists")


async def test_a_change_needs_the_version_that_it_changes(api: httpx.AsyncClient) -> None:
    etag = (await make(api)).headers["etag"]
    change = {"spec": WRITES}
    assert (await api.put("/roles/reader", json=change)).status_code == 428
    changed = await api.put("/roles/reader", json=change, headers={"if-match": etag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["spec"]["description"] == WRITES["description"]
    late = await api.put("/roles/reader", json=change, headers={"if-match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert (await api.delete("/roles/reader", headers={"if-match": etag})).status_code == 412
    assert (await api.delete("/roles/reader")).status_code == 428


async def test_put_makes_what_is_not_there_and_only_that_when_asked_so(api: httpx.AsyncClient) -> None:
    new = {"if-none-match": "*"}
    assert (await api.put("/roles/reader", json={"spec": READS}, headers=new)).status_code == 201
    assert (await api.put("/roles/reader", json={"spec": READS}, headers=new)).status_code == 412
    assert (await api.put("/roles/other", json={"spec": READS}, headers={"if-match": '"1"'})).status_code == 412


async def test_what_the_caller_has_already_is_not_sent_again(api: httpx.AsyncClient) -> None:
    etag = (await make(api)).headers["etag"]
    same = await api.get("/roles/reader", headers={"if-none-match": f'"9", {etag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert (await api.get("/roles/reader", headers={"if-none-match": '"9"'})).status_code == 200


async def test_every_version_is_kept_and_can_be_gone_back_to(api: httpx.AsyncClient) -> None:
    await make(api)
    await api.put("/roles/reader", json={"spec": WRITES}, headers={"if-match": "*"})
    assert (await api.delete("/roles/reader", headers={"if-match": "*"})).status_code == 204
    assert (await api.get("/roles/reader")).status_code == 404
    versions = (await api.get("/roles/reader/versions")).json()["data"]
    assert [(one["version"], one["action"]) for one in versions] == [(3, "delete"), (2, "replace"), (1, "create")]
    assert versions[0]["spec"] is None
    back = await api.post("/roles/reader/revert", json={"version": 1})
    assert (back.status_code, back.headers["etag"]) == (200, '"4"')
    assert back.json()["spec"]["allow"] == ["model:read"]
    assert (await api.post("/roles/reader/revert", json={"version": 2})).status_code == 428
    gone = await api.post("/roles/reader/revert", json={"version": 3}, headers={"if-match": "*"})
    assert (gone.status_code, gone.json()["code"]) == (409, "deleted_version")
    assert (await api.post("/roles/reader/revert", json={"version": 9}, headers={"if-match": "*"})).status_code == 404


async def test_lists_go_on_where_they_ended_whatever_is_made_meanwhile(api: httpx.AsyncClient) -> None:
    names = [f"r{number:02}" for number in range(7)]
    for name in names:
        await make(api, name)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api.get("/roles", params={"limit": 3, "cursor": cursor})).json()
        seen += [one["name"] for one in page["data"]]
        await make(api, f"a{len(seen)}")
        if page["next"] is None:
            break
        cursor = page["next"]
    built_in = ["admin", "analyst", "engineer", "owner", "viewer"]
    assert [name for name in seen if not name.startswith("a") or name in built_in] == sorted([*built_in, *names])
    assert len(seen) == len(set(seen))


async def test_a_cursor_of_another_list_or_of_nobody_is_refused(api: httpx.AsyncClient) -> None:
    await make(api)
    cursor = (await api.get("/roles", params={"limit": 1})).json()["next"]
    for wrong in ("?", "AAAA", cursor[:-4], "é", "W10", "' OR 1=1 --"):
        answer = await api.get("/roles", params={"cursor": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), wrong
    assert (await api.get("/bindings", params={"cursor": cursor})).status_code == 400


async def test_limits_of_a_page_are_bounded(api: httpx.AsyncClient) -> None:
    for limit in ("0", "201", "-1", "many", "1e3", "9" * 40):
        assert (await api.get("/roles", params={"limit": limit})).status_code == 422, limit


async def test_what_is_built_in_cannot_be_changed(api: httpx.AsyncClient) -> None:
    assert (await api.get("/roles/owner")).json()["source"] == "built_in"
    for answer in (
        await api.post("/roles", json={"name": "owner", "spec": READS}),
        await api.put("/roles/owner", json={"spec": READS}, headers={"if-match": "*"}),
        await api.delete("/roles/owner", headers={"if-match": "*"}),
        await api.post("/roles/owner/revert", json={"version": 1}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "built_in")


async def test_a_request_that_is_sent_twice_is_done_once_and_answered_twice(api: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "once"}
    first = await api.post("/roles", json={"name": "reader", "spec": READS}, headers=key)
    again = await api.post("/roles", json={"name": "reader", "spec": READS}, headers=key)
    assert (again.status_code, again.content, again.headers["etag"]) == (201, first.content, first.headers["etag"])
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.post("/roles", json={"name": "other", "spec": READS}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await api.get("/roles/reader/versions")).json()["data"]) == 1
    deleted = [await api.delete("/roles/reader", headers={"if-match": "*", "idempotency-key": "gone"}) for _ in "12"]
    assert [answer.status_code for answer in deleted] == [204, 204]


async def test_a_request_that_failed_may_come_again_under_its_key(api: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "once"}
    change = {"spec": WRITES}
    assert (await api.put("/roles/reader", json=change, headers={**key, "if-match": '"1"'})).status_code == 412
    assert (await api.put("/roles/reader", json=change, headers=key)).status_code == 201


async def test_keys_that_are_none_are_refused(api: httpx.AsyncClient) -> None:
    for key in ("", " ", "x" * 256, "two words"):
        answer = await api.post("/roles", json={"name": "r", "spec": READS}, headers={"idempotency-key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key"), key


async def test_fields_that_nobody_knows_are_refused_wherever_they_are(api: httpx.AsyncClient) -> None:
    """Mass assignment: nobody sets what is not theirs to set by naming it."""
    for body in (
        {"name": "r", "spec": READS, "version": 7},
        {"name": "r", "spec": READS, "created_by": "somebody"},
        {"name": "r", "spec": READS, "source": "built_in"},
        {"name": "r", "spec": {**READS, "project": "foreign"}},
        {"name": "r", "spec": READS, "kind": "binding"},
    ):
        answer = await api.post("/roles", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body"), body
        assert "unknown field" in answer.json()["detail"]
    assert (await api.get("/roles", params={"created_by": "x"})).status_code == 422


async def test_sql_in_names_filters_and_bodies_is_text(api: httpx.AsyncClient) -> None:
    await make(api)
    for evil in ("' OR '1'='1", "x'; DROP TABLE objects; --", 'x"; SELECT pg_sleep(9); --', "reader' --", "%", "_"):
        assert (await api.get(f"/roles/{evil.replace('%', '%25')}")).status_code == 404
        assert (await api.get("/audit", params={"name": evil})).json()["data"] == []
        assert (await api.get("/roles", params={"project": evil})).json()["data"] == []
        named = await api.post("/roles", json={"name": evil, "spec": READS})
        assert named.status_code == 422
        kept = await api.put("/roles/kept", json={"spec": {"description": evil}}, headers={"if-match": "*"})
        kept = kept if kept.status_code == 200 else await api.put("/roles/kept", json={"spec": {"description": evil}})
        assert kept.json()["spec"]["description"] == evil
    assert (await api.get("/roles/reader")).status_code == 200


async def test_bodies_that_are_no_json_of_the_type_are_refused_with_their_place(api: httpx.AsyncClient) -> None:
    json_type = {"content-type": "application/json"}
    cases = {
        b"": 400,
        b"{": 400,
        b"[]": 422,
        b"\xff": 400,
        b'{"name":"r","spec":{"allow":["everything"]}}': 422,
        b'{"name":"r\\n","spec":{}}': 422,
        b'{"name":"r\\u0000","spec":{}}': 422,
        b"[" * 100_000: 422,
        b'{"name":"r","spec":{"description":"' + b"x" * 2_000_000 + b'"}}': 413,
    }
    for body, status in cases.items():
        answer = await api.post("/roles", content=body, headers=json_type)
        assert answer.status_code == status, body[:60]
        assert answer.headers["content-type"] == "application/problem+json"
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await api.post("/roles", content=b'{"name":"r","spec":{}}', headers={"content-type": kind})
        assert answer.status_code == 415
    wrong = await api.post("/roles", json={"name": "r", "spec": {"allow": ["x"]}})
    assert wrong.json()["errors"][0]["path"] == "$.spec.allow[0]"


async def test_a_path_or_a_method_that_is_none_is_a_problem_too(api: httpx.AsyncClient) -> None:
    missing = await api.get("/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    wrong = await api.patch("/roles/owner")
    assert (wrong.status_code, wrong.headers["content-type"]) == (405, "application/problem+json")
    assert {"GET", "PUT", "DELETE"} <= set(wrong.headers["allow"].replace(" ", "").split(","))


async def test_callers_elsewhere_who_do_not_say_who_they_are_get_401(database: ControlDatabase) -> None:
    app = application(database)
    for address, base_url in (("203.0.113.7", "http://localhost"), ("127.0.0.1", "http://evil.example")):
        async with client(app, address, base_url) as stranger:
            answer = await stranger.get("/roles")
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
    async with client(app) as near:
        for header in ({"origin": "https://evil.example"}, {"x-forwarded-for": "10.0.0.1"}):
            assert (await near.post("/roles", json={}, headers=header)).status_code == 401
    async with client(app, "203.0.113.7") as stranger:
        forged = await stranger.get("/roles", headers={"x-switchgear-gateway-peer": "local"})
        assert forged.status_code == 401
