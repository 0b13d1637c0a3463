"""What went in and what came out, from whichever attributes tell it best."""

from typing import Final

from switchgear.kernel.span import NOTHING, Content
from switchgear.traces.conventions.messages import content_of, one_value
from switchgear.traces.conventions.reading import Reading, Said, grown
from switchgear.traces.conventions.values import is_object, items, members, opened, text

_TOLD: Final = frozenset(("input", "output", "system_text"))


def contents(reading: Reading) -> tuple[Content, Content, str]:
    """Input, output, and why the model finished where only its messages tell."""
    fields = reading.fields
    if not reading.content and fields.keys().isdisjoint(_TOLD):
        return NOTHING, NOTHING, ""
    _plant(reading)
    answer = _side(reading, "output", ("output", "tool_output", "twin.output"))
    asked = _side(reading, "input", ("input", "tool_input", "twin.input"))
    finish = "" if "finish" in fields else _finish(reading)
    return asked, answer, finish


def _plant(reading: Reading) -> None:
    """Trees become values of their fields."""
    for named, (rank, tree) in reading.trees.items():
        field = named.partition("@")[0]
        reading.rank = rank
        reading.say(field, grown(tree))
    if reading.trees:
        reading.settle()


def _side(reading: Reading, side: str, fields: tuple[str, ...]) -> Content:
    system = reading.raw("system_text") if side == "input" else None
    found = NOTHING
    for field in fields:
        for said in reading.fields.get(field, ()):
            if said.value is None or said.value == "":
                continue
            if found is NOTHING:
                found = _content(said, plain=field.startswith("tool"), answer=side == "output", system=system)
            reading.used.add(field)
    if found is NOTHING and system is not None:
        found = content_of(None, system=system)
    if system is not None and found is not NOTHING:
        reading.used.add("system_text")
    return found


def _content(said: Said, *, plain: bool, answer: bool, system: object) -> Content:
    # Opened once: who asks for the reason to finish looks into the same answer.
    said.value = opened(said.value)
    found = one_value(said.value) if plain else content_of(said.value, answer=answer, system=system)
    return found if found.parts else NOTHING


def _finish(reading: Reading) -> str:
    """The reason in the last message or choice of the answer that has one."""
    for field in ("output", "twin.output"):
        if field not in reading.fields:
            continue
        told = opened(reading.raw(field))
        told = members(told).get("choices", told) if is_object(told) else told
        for item in reversed(items(told)):
            reason = members(item).get("finish_reason")
            if isinstance(reason, str):
                return text(reason)
    return ""
