"""A batch's file goes up as it is, and whoever sends it is told of its bad lines."""

import pytest

from switchgear.testing.scripted_upstream import ScriptedUpstream
from tests.doors.house import running
from tests.doors.vendors import Told, vendor
from tests.wire.test_batch_lines import line

MEDIA = {"content-type": "multipart/form-data; boundary=cut"}
BAD = line("a") + b"{not json}\n" + line("a") + line("b")
FOUND = ("line 2: is not JSON", "line 3: repeats the custom_id of line 1")


def part(name: str, value: bytes) -> bytes:
    about = f'--cut\r\ncontent-disposition: form-data; name="{name}"'
    return f"{about}{'; filename=x' if name == 'file' else ''}\r\n\r\n".encode() + value + b"\r\n"


def batch(file: bytes, purpose: bytes = b"batch") -> bytes:
    return part("purpose", purpose) + part("file", file) + b"--cut--\r\n"


@pytest.mark.parametrize("padding", [b"", line("long", body={"x": "y" * 3_000_000})])
async def test_bad_lines_are_told_in_a_header_and_on_record_and_the_file_goes_up_whole(padding: bytes) -> None:
    told = Told()
    body = batch(BAD + padding)
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        status, headers, _ = await house.post("/v1/files", body, **MEDIA)
    assert (status, headers["x-switchgear-findings"]) == (200, "; ".join(FOUND))
    assert told.bodies == [body]
    assert house.journal.records[0].findings == FOUND


@pytest.mark.parametrize(
    "body",
    [
        batch(line("a") + line("b")),
        batch(line("a").rstrip()),
        batch(BAD, b"fine-tune"),
        part("file", BAD) + part("purpose", b"batch") + b"--cut--\r\n",
        part("purpose", b"batch") + part("other", BAD) + b"--cut--\r\n",
        part("purpose", b"batch") + part("purpose", b"batch") + part("file", BAD) + b"--cut--\r\n",
    ],
)
async def test_nothing_is_told_of_a_good_file_or_of_another(body: bytes) -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream)) as house:
        status, headers, _ = await house.post("/v1/files", body, **MEDIA)
    assert status == 200
    assert "x-switchgear-findings" not in headers
    assert told.bodies == [body]
    assert house.journal.records[0].findings == ()


async def test_many_bad_lines_are_counted() -> None:
    async with running() as house:
        _, headers, _ = await house.post("/v1/files", batch(b"x\n" * 5000), **MEDIA)
    assert len(headers["x-switchgear-findings"]) <= 1000
    assert house.journal.records[0].findings[-1] == "and 4980 more"
