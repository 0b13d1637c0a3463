"""A configuration of LiteLLM's proxy as ours, and a report of what became of each of its settings."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from msgspec import Struct, structs

from switchgear.cli.importing.agreement import agree
from switchgear.cli.importing.document import read_values
from switchgear.cli.importing.entries import Entry, EntryReader
from switchgear.cli.importing.models import Models
from switchgear.cli.importing.providers import Providers, Secret
from switchgear.cli.importing.report import Report
from switchgear.cli.importing.section import Section, variable
from switchgear.cli.importing.settings import Settings, read_general, read_litellm, read_router
from switchgear.cli.importing.vendors import SIMULATOR
from switchgear.cli.importing.without_equal import TOP
from switchgear.cli.importing.writer import Path, write
from switchgear.config import parse
from switchgear.kernel.errors import ConfigError

RESULT: Final = "the new file"
_REFERENCE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NUMBERS: Final = ("weight", "tier", "max_in_flight")
_SAMPLE_URL: Final = "http://127.0.0.1:1/v1"
_SAMPLE: Final = "a-sample-of-some-length"
_HEAD: Final = """\
# Made from a configuration of LiteLLM's proxy. `switchgear check --config FILE` tells what is wrong with it, once the
# variables it refers to are set. What was carried with a difference, and what was not, stands in the report.
"""


class Imported(Struct, frozen=True, kw_only=True):
    """The text of the new file, and the report."""

    text: str
    report: Report
    to_set: Mapping[str, str]
    """Variables for secrets that stood in the old file in clear, each with where the new one refers to it."""


def import_litellm(text: str, path: str) -> Imported:
    """Read LiteLLM's file. Raises ConfigError when it cannot be read at all, with lines."""
    report = Report()
    document = read_values(text, path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: a configuration of LiteLLM's proxy is a mapping, with model_list in it")
    values = cast("dict[str, object]", document)
    top = Section("", values, report)
    settings, keys = Settings(), dict[str, str]()
    entries = list(_entries(top))
    for key, read in (("router_settings", read_router), ("litellm_settings", read_litellm)):
        section = top.section(key)
        if section is not None:
            read(section, settings)
    general = top.section("general_settings")
    if general is not None:
        read_general(general, keys)
    _environment(top)
    top.finish({name: what for name, what in TOP.items() if name in top.values})
    return _written(entries, settings, keys, (report, _variables(values)))


def _entries(top: Section) -> Iterator[Entry]:
    reader = EntryReader(_credentials(top))
    for section in top.sections("model_list"):
        entry = reader.read(section)
        if entry is not None:
            yield entry


def _credentials(top: Section) -> dict[str, dict[str, object]]:
    """Credentials by name; where one is used, its settings are told of."""
    found: dict[str, dict[str, object]] = {}
    for section in top.sections("credential_list") if "credential_list" in top.values else ():
        name, values = section.get("credential_name"), section.get("credential_values")
        if isinstance(name, str) and isinstance(values, dict):
            found[name] = cast("dict[str, object]", values)
            section.carried("credential_name", "nothing of its own: each provider that uses it has its settings")
            section.carried("credential_values", "the settings of the providers that use it")
        section.finish({"credential_info": "a word on the credential, which nothing here acts on"})
    return found


def _environment(top: Section) -> None:
    section = top.section("environment_variables")
    for name in section.values if section is not None else ():
        assert section is not None
        section.lost(name, f"its value is not copied; set {name[:80]} where `switchgear serve` is started")


def _written(
    entries: list[Entry], settings: Settings, keys: Mapping[str, str], means: tuple[Report, set[str]]
) -> Imported:
    report, variables = means
    providers = Providers(_taken_prefixes(entries, settings), variables)
    models = Models(providers, report, settings)
    models.add(entries)
    tree: dict[str, object] = {}
    comments: dict[Path, list[str]] = {}
    for name, value in keys.items():
        reference = providers.reference(Secret(value), "LITELLM_MASTER_KEY", f"keys: {name}")
        tree["keys"] = [{"name": name, "key": reference}]
        comments["keys",] = ["What applications present; `switchgear key new NAME` makes more."]
    found = models.tree()
    agree(settings.routing, found, lambda text: report.differs(RESULT, text))
    tree["providers"] = providers.tree() or {"sim": {"kind": SIMULATOR}}
    comments["providers",] = ["Who serves models; `provider/model` names any model of one of them."]
    if settings.routing:
        tree["routing"] = settings.routing
    if found:
        tree["models"] = found
    comments |= models.comments
    made = f"{_HEAD}{write(tree, comments)}"
    _check(made, tree, report)
    return Imported(text=made, report=report, to_set=dict(providers.to_set))


def _taken_prefixes(entries: list[Entry], settings: Settings) -> set[str]:
    """Parts before a slash that no provider may be called, because aliases begin with them.

    Where all such names say no more than a provider's name and a model of it, the provider gets that name instead.
    """
    taken = {name.partition("/")[0] for name in settings.aliases if "/" in name}
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        prefix, slash, _ = entry.name.partition("/")
        if slash and "*" not in entry.name:
            named.setdefault(prefix, []).append(entry)
    for prefix, group in named.items():
        alone = len({entry.name for entry in group}) == len(group) and len({entry.wanted for entry in group}) == 1
        if prefix in taken or not alone or not all(_is_plain(entry, settings) for entry in group):
            taken.add(prefix)
            continue
        for entry in group:
            entry.wanted = structs.replace(entry.wanted, name=prefix)
    return taken


def _is_plain(entry: Entry, settings: Settings) -> bool:
    said = entry.terms or entry.attempts or settings.default_fallbacks or settings.first_token_seconds is not None
    return not said and entry.name not in settings.chains and entry.name.partition("/")[2] == entry.model


def _check(text: str, tree: Mapping[str, object], report: Report) -> None:
    """Tell what `switchgear check` will find, whatever the variables hold."""
    try:
        parse(text, RESULT, dict(_samples(tree, "")))
    except ConfigError as error:
        for problem in error.message.split("\n"):
            report.differs(RESULT, f"to be corrected by hand: {problem.removeprefix(f'{RESULT}:').strip()}")


def _samples(value: object, key: str) -> Iterator[tuple[str, str]]:
    """A value for each variable that is referred to, good for its place."""
    if isinstance(value, dict):
        for name, child in cast("dict[str, object]", value).items():
            yield from _samples(child, name)
    elif isinstance(value, list):
        for child in cast("list[object]", value):
            yield from _samples(child, key)
    elif isinstance(value, str):
        number = key in _NUMBERS or key.endswith(("_seconds", "_per_minute"))
        for found in _REFERENCE.finditer(value):
            whole = found[0] == value
            yield found[1], "1" if number else _SAMPLE_URL if key == "base_url" and whole else _SAMPLE


def _variables(value: object) -> set[str]:
    """Every variable that the old file refers to, so that none gets another meaning."""
    if isinstance(value, dict):
        return {name for child in cast("dict[str, object]", value).values() for name in _variables(child)}
    if isinstance(value, list):
        return {name for child in cast("list[object]", value) for name in _variables(child)}
    return {variable(value)} - {""}
