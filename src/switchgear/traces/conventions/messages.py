"""Conversations in anybody's form, as messages of the GenAI conventions: one JSON text each.

Equal messages are equal bytes, in a question and in an answer: members stand in order, reasons to finish are left
out, and arguments of tools that came as text are the objects they say.
"""

from collections.abc import Mapping
from typing import Any, Final

from switchgear.kernel.span import PREVIEW_CHARACTERS, Content
from switchgear.traces.conventions.parts import Part, call_part, parts_of, result_part, texts
from switchgear.traces.conventions.values import clean, encoded, is_list, is_object, members, opened, sound, text

Message = dict[str, Any]
ROLES: Final[Mapping[str, str]] = {
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "bot": "assistant",
    "function": "tool",
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "model": "assistant",
    "systemmessage": "system",
    "toolmessage": "tool",
}
"""Roles by other names."""
_PLAIN: Final = frozenset(("system", "developer", "user", "assistant", "tool"))
_THOUGHT: Final = "thinking"
"""Traceloop's role of what Anthropic's models think."""
_HOLDERS: Final = ("messages", "contents", "choices", "generations", "candidates", "message")
_MOST: Final = 5_000


def content_of(value: object, *, answer: bool = False, system: object = None) -> Content:
    """Any value as content: messages where it is a conversation, else one value. ``system`` stands before them."""
    told = opened(value)
    if type(told) is str and not system:
        return one_value(told)
    try:
        found = conversation(told, answer=answer)
    except RecursionError:
        told = clean(told)
        found = conversation(told, answer=answer)
    instructions = parts_of(opened(system)) if system else []
    if found is None:
        if instructions:
            found = [] if told is None or told == "" else [{"role": "user", "parts": parts_of(told)}]
        else:
            return one_value(told)
    if instructions:
        found = [{"role": "system", "parts": instructions}, *found]
    return of_messages(found, answer=answer)


def of_messages(found: list[Message], *, answer: bool = False) -> Content:
    """Content of messages that are in the form already."""
    return Content(
        parts=tuple([encoded(message) for message in found]), is_messages=True, preview=_preview(found, answer=answer)
    )


def one_value(told: object) -> Content:
    """Content that is no conversation."""
    if told is None or told == "":
        return Content()
    held = clean(told) if type(told) is not str else sound(told)
    whole = encoded(held)
    preview = held if isinstance(held, str) else whole[: 4 * PREVIEW_CHARACTERS].decode("utf-8", "ignore")
    return Content(parts=(whole,), preview=preview[:PREVIEW_CHARACTERS])


def conversation(told: object, *, answer: bool = False) -> list[Message] | None:
    """The messages of a list, of a request, of an answer, or of one message; None where there is none."""
    if is_list(told):
        return _listed(told)
    if not is_object(told):
        return None
    if _is_message(told):
        return [message_of(told)]
    for holder in _HOLDERS:
        held: object = told.get(holder)
        if held is None or (answer and holder == "contents"):
            continue
        found = conversation(opened(held), answer=answer)
        if found is not None:
            before = _system_of(told)
            return [*before, *found]
    return None


def _system_of(request: Mapping[str, Any]) -> list[Message]:
    said = request.get("system") or request.get("instructions") or request.get("system_instruction")
    return [{"role": "system", "parts": parts_of(said)}] if said else []


def _listed(told: list[object] | tuple[object, ...]) -> list[Message] | None:
    if not told or len(told) > _MOST:
        return None
    found: list[Message] = []
    for item in told:
        item = opened(item) if isinstance(item, str) else item  # noqa: PLW2901  (an item may be its own JSON text)
        if is_list(item) and len(told) == 1:
            return _listed(item)
        if not is_object(item):
            return None
        inner = _unwrapped(item)
        if not _is_message(inner):
            return None
        found.append(message_of(inner))
    return found


def _unwrapped(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message out of a choice, a candidate, a generation, LangChain's constructors, or a flattened tree."""
    if "role" in item:
        return item
    for holder in ("message", "kwargs", "data"):
        held = item.get(holder)
        if is_object(held):
            inner: dict[str, Any] = dict(held)
            identity = item.get("id")
            if holder == "kwargs" and is_list(identity) and identity:
                inner.setdefault("type", identity[-1])
            elif holder == "data":
                inner.setdefault("type", item.get("type"))
            elif holder == "message" and is_object(inner.get("kwargs")):
                return _unwrapped(inner)
            return inner
    held = item.get("content")
    if is_object(held) and "parts" in held:
        return {"role": "assistant", **held}
    return item


def _role(told: Mapping[str, Any]) -> str:
    role = told.get("role")
    role = role if isinstance(role, str) else told.get("type")
    if not isinstance(role, str):
        return ""
    return role if role in _PLAIN else ROLES.get(role.lower(), sound_role(role) if "role" in told else "")


def sound_role(role: str) -> str:
    """A role that is none of ours, as it came."""
    return text(role).lower()


def _is_message(told: Mapping[str, Any]) -> bool:
    if "role" in told:
        return _role(told) != ""
    if "type" not in told or not _role(told):
        return False
    return any(name in told for name in ("content", "parts", "contents", "tool_calls", "function_call"))


def message_of(told: Mapping[str, Any]) -> Message:
    """One message in any form, in that of the GenAI conventions."""
    role = _role(told) or "user"
    if "parts" in told:
        parts = parts_of(told["parts"])
    elif role == _THOUGHT:
        role, parts = "assistant", [{"type": "reasoning", "content": text(told.get("content"))}]
    elif role == "tool" and isinstance(told.get("tool_call_id") or told.get("id"), str):
        parts = [
            result_part({"tool_call_id": told.get("tool_call_id") or told.get("id"), "content": told.get("content")})
        ]
    else:
        parts = _classic(told)
    if parts and parts[0].get("type") == "tool_call_response":
        answers = all(part.get("type") == "tool_call_response" for part in parts)
        role = "tool" if answers else role
    message: Message = {"role": role, "parts": parts}
    name = told.get("name")
    if isinstance(name, str) and name and role != "tool":
        message["name"] = text(name)
    return message


def _classic(told: Mapping[str, Any]) -> list[Part]:
    """Content, then tool calls beside it."""
    extra = members(told.get("additional_kwargs"))
    thought = told.get("reasoning_content") or told.get("reasoning")
    parts: list[Part] = (
        [{"type": "reasoning", "content": text(thought)}] if isinstance(thought, str) and thought else []
    )
    said = told.get("content")
    parts += parts_of(said or told.get("contents"))
    if isinstance(refusal := told.get("refusal"), str) and refusal:
        parts.append({"type": "text", "content": text(refusal)})
    known = {part.get("id") for part in parts if part.get("type") == "tool_call"}
    calls = opened(told.get("tool_calls")) or extra.get("tool_calls")
    for call in calls if is_list(calls) else []:
        part = call_part(call)
        if part.get("id") is None or part["id"] not in known:
            parts.append(part)
    if is_object(called := told.get("function_call")):
        parts.append(call_part(called))
    return parts


def _preview(found: list[Message], *, answer: bool) -> str:
    """What the user said last, or the model first; else whatever text there is."""
    ordered = found if answer else [*[message for message in reversed(found) if message["role"] == "user"], *found]
    for message in ordered:
        for said in texts(message["parts"]):
            return text(said)[:PREVIEW_CHARACTERS]
    return ""
