"""Reading a Gemini request (``models.generateContent`` and its kin); model and stream stand in the path.

Specification: ai.google.dev/api/generate-content, read together with what Google's SDKs send. Parts and tools without
an equal are refused by name; settings without one go to ``Chat.own``, those of ``generationConfig`` as
``generationConfig.<name>``.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw, Struct

from switchgear.kernel.chat import AudioOutput, Chat, Reasoning, ResponseFormat, Tool, ToolChoice
from switchgear.kernel.errors import BadRequest
from switchgear.wire.gemini_contents import Content, read_contents, read_instruction
from switchgear.wire.gemini_media import PCM16
from switchgear.wire.gemini_names import bare, camelled
from switchgear.wire.gemini_parts import refused
from switchgear.wire.gemini_schema import json_schema
from switchgear.wire.json_body import ABSENT, Extra, decode, members, said, unknown_members

CONFIG: Final = "generationConfig"
_TIERS: Final = {"standard": "default"}
_UNSPECIFIED: Final = "unspecified"
_MODES: Final = ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")


class Function(Struct, rename="camel", forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    parameters_json_schema: Raw = ABSENT


class WireTool(Struct, rename="camel", forbid_unknown_fields=True):
    function_declarations: list[Function] | None = None


class FunctionCalling(Struct, rename="camel", forbid_unknown_fields=True):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Struct, rename="camel", forbid_unknown_fields=True):
    function_calling_config: FunctionCalling | None = None


class Thoughts(Struct, rename="camel", forbid_unknown_fields=True):
    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None


class PrebuiltVoice(Struct, rename="camel", forbid_unknown_fields=True):
    voice_name: str


class Voice(Struct, rename="camel", forbid_unknown_fields=True):
    prebuilt_voice_config: PrebuiltVoice | None = None


class Speech(Struct, rename="camel", forbid_unknown_fields=True):
    voice_config: Voice | None = None


class Generation(Struct, rename="camel"):
    """``generationConfig``."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: Raw = ABSENT
    response_json_schema: Raw = ABSENT
    response_modalities: list[str] | None = None
    thinking_config: Thoughts | None = None
    speech_config: Speech | None = None


class WireRequest(Struct, rename="camel"):
    contents: list[Content]
    model: str = ""
    """Where the request stands inside another; else the path has it."""
    system_instruction: Content | None = None
    tools: list[WireTool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: Generation | None = None
    service_tier: str | None = None


def read_request(body: bytes) -> Chat:
    """Raises BadRequest or UnsupportedField, naming the field."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None
    body = camelled(WireRequest, body)
    wire = decode(WireRequest, body)
    config = wire.generation_config or Generation()
    calling = wire.tool_config.function_calling_config if wire.tool_config is not None else None
    calling = calling or FunctionCalling()
    strict = True if calling.mode == "VALIDATED" else None
    return Chat(
        model=bare(wire.model),
        messages=(*read_instruction(wire.system_instruction), *read_contents(wire.contents)),
        max_output_tokens=config.max_output_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        stop=tuple(config.stop_sequences or ()),
        choices=config.candidate_count,
        logprobs=config.response_logprobs,
        top_logprobs=config.logprobs,
        tools=tuple(_read_tools(wire.tools or [], strict=strict)),
        tool_choice=_read_calling(calling),
        response_format=_read_format(config),
        reasoning=_read_thoughts(config.thinking_config),
        modalities=tuple(_read_modalities(config.response_modalities)),
        audio_output=_read_speech(config.speech_config),
        service_tier=_read_tier(wire.service_tier),
        own=tuple(_read_own(body)),
    )


def _read_own(body: bytes) -> Iterator[tuple[str, Raw]]:
    for name, value in unknown_members(WireRequest, body):
        if said(value) is not None:
            yield name, value
    config = said(members(body).get(CONFIG))
    unknown: Extra = () if config is None else unknown_members(Generation, bytes(config))
    for name, value in unknown:
        if said(value) is not None:
            yield f"{CONFIG}.{name}", value


def _read_tools(tools: list[WireTool], *, strict: bool | None) -> Iterator[Tool]:
    for at, tool in enumerate(tools):
        for number, function in enumerate(tool.function_declarations or ()):
            place = f"tools[{at}].functionDeclarations[{number}].parameters"
            schema = said(function.parameters_json_schema)
            given = said(function.parameters)
            if schema is None and given is not None:
                schema = json_schema(given, place)
            yield Tool(name=function.name, description=function.description, parameters=schema, strict=strict)


def _read_calling(calling: FunctionCalling) -> ToolChoice | None:
    place = "toolConfig.functionCallingConfig"
    if calling.mode is not None and calling.mode not in _MODES:
        raise BadRequest(f"{place}.mode must be one of {', '.join(_MODES)}", param=f"{place}.mode")
    names = calling.allowed_function_names or []
    match calling.mode, names:
        case "ANY", []:
            return ToolChoice(mode="required")
        case "ANY", [name]:
            return ToolChoice(mode="named", name=name)
        case "NONE", _:
            return ToolChoice(mode="none")
        case ((None | "MODE_UNSPECIFIED"), []):
            return None
        case _, []:
            return ToolChoice(mode="auto")
        case _:
            reason = "a choice among some of the functions has no equal in another dialect; declare only those"
            raise refused(f"{place}.allowedFunctionNames", reason)


def _read_format(config: Generation) -> ResponseFormat | None:
    schema = said(config.response_json_schema)
    given = said(config.response_schema)
    if schema is None and given is not None:
        schema = json_schema(given, f"{CONFIG}.responseSchema")
    match config.response_mime_type:
        case None | "application/json" if schema is not None:
            return ResponseFormat(kind="json_schema", schema=schema)
        case None:
            return None
        case "application/json":
            return ResponseFormat(kind="json_object")
        case "text/plain" if schema is None:
            return ResponseFormat(kind="text")
        case other:
            raise refused(f"{CONFIG}.responseMimeType", f"{other} has no equal in another dialect")


def _read_thoughts(thoughts: Thoughts | None) -> Reasoning | None:
    """Zero switches thinking off, -1 leaves it to the model; who only asks to see thoughts asks for no effort."""
    if thoughts is None:
        return None
    effort = None if thoughts.thinking_level is None else thoughts.thinking_level.lower()
    match thoughts.thinking_budget:
        case 0:
            return Reasoning(enabled=False)
        case -1:
            return Reasoning(adaptive=True, effort=effort)
        case None if effort is None:
            return Reasoning() if thoughts.include_thoughts else None
        case budget:
            return Reasoning(effort=effort, budget_tokens=budget)


def _read_modalities(modalities: list[str] | None) -> Iterator[str]:
    for modality in modalities or ():
        name = modality.lower()
        if name not in ("text", "audio"):
            raise refused(f"{CONFIG}.responseModalities", f"{modality} cannot be had through another dialect")
        yield name


def _read_speech(speech: Speech | None) -> AudioOutput | None:
    voice = None if speech is None else speech.voice_config
    if voice is None or voice.prebuilt_voice_config is None:
        return None
    return AudioOutput(voice=voice.prebuilt_voice_config.voice_name, format=PCM16)


def _read_tier(tier: str | None) -> str | None:
    name = _UNSPECIFIED if tier is None else tier.lower()
    return None if name == _UNSPECIFIED else _TIERS.get(name, name)
