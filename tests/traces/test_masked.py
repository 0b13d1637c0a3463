"""Spans of which masks have taken away what nobody may keep."""

from typing import Final

from msgspec import json, structs

from switchgear.guardrails.finders import finder
from switchgear.guardrails.masking import Mask
from switchgear.kernel.span import Content, Span, SpanEvent
from switchgear.traces.masked import SpanMasks, only_previews

MASK: Final = Mask(name="mail", finder=finder("email"), replacement="[mail]")
CARD: Final = Mask(name="card", finder=finder("card"), replacement="[card]")
ADDRESS: Final = "joe@example.com"
PLAIN: Final = Span(project="blue", trace_id="1" * 32, span_id="2" * 16, name="chat", started_ns=1, ended_ns=2)


def message(text: str) -> bytes:
    return json.encode({"role": "user", "parts": [{"type": "text", "content": text}]})


def said(text: str) -> Content:
    return Content(parts=(message(text),), is_messages=True, preview=text[:200])


def masks() -> SpanMasks:
    return SpanMasks(lambda project: (MASK, CARD) if project == "blue" else ())


def test_it_is_masked_wherever_a_span_can_hold_it() -> None:
    span = structs.replace(
        PLAIN,
        name=f"mail to {ADDRESS}",
        status_message=f"{ADDRESS} is unknown",
        tags=(ADDRESS, "new"),
        metadata={"owner": ADDRESS},
        input=said(f"I am {ADDRESS}"),
        output=said(f"Hello {ADDRESS}"),
        attributes={"tool.arguments": json.encode({"to": ADDRESS}).decode(), "list": [ADDRESS], "count": 3},
        resource={"host.owner": ADDRESS},
        events=(SpanEvent(name="sent", at_ns=1, attributes={"to": ADDRESS}),),
    )
    used = masks()
    masked = used(span)

    assert ADDRESS not in repr(masked)
    assert masked.attributes == {"tool.arguments": '{"to":"[mail]"}', "list": ["[mail]"], "count": 3}
    assert masked.input == said("I am [mail]")
    assert 'switchgear_span_values_masked_total{mask="mail"} 10' in used.exposition()


def test_who_and_where_a_span_belongs_to_stays() -> None:
    span = structs.replace(PLAIN, user=ADDRESS, session=ADDRESS, trace_name=ADDRESS)
    assert masks()(span) == span


def test_a_project_without_masks_keeps_its_spans_as_they_are() -> None:
    span = structs.replace(PLAIN, project="red", input=said(ADDRESS))
    assert masks()(span) is span


def test_half_of_what_is_masked_does_not_stay_in_a_preview() -> None:
    text = f"{'word ' * 37}pay 4111 1111 1111 1111 now"
    assert "4111" in text[:200]
    assert "4111" not in masks()(structs.replace(PLAIN, input=said(text))).input.preview
    alone = structs.replace(said(text), parts=())
    assert "4111" not in masks()(structs.replace(PLAIN, input=alone)).input.preview


def test_where_nothing_is_masked_a_text_stays_as_it_is() -> None:
    assert SpanMasks(lambda _: ()).text("red", '{"odd": "\ud800"}') == '{"odd": "\ud800"}'


def test_only_previews_leave_no_message() -> None:
    kept = only_previews(structs.replace(PLAIN, input=said("Hello"), output=said("there")))
    assert (kept.input, kept.output) == (Content(preview="Hello"), Content(preview="there"))
