"""Whatever a user can set, send, see or type is in the docs, and the docs name nothing that is not there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec.inspect as shape
from click import Parameter
from msgspec import Struct
from msgspec.structs import fields
from typer.core import TyperGroup
from typer.main import get_command

from scripts.reference import (
    REMEDIES,
    error_classes,
    exposed_metrics,
    kinds,
)
from switchgear.cli import application
from switchgear.config import schema
from switchgear.config.model import Config
from switchgear.kernel.errors import ConfigError, SwitchgearError, UpstreamRefused
from switchgear.kernel.labels import KNOWN as LABELS
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.providers.simulator.script import Parameters
from switchgear.routing.wishes import KNOWN as WISHES
from switchgear.traces.buckets import BUCKETS
from switchgear.traces.error_class import CLASSES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "switchgear"

# Of the gateway's own making; everything below `x-switchgear-gateway-` stays between its processes.
HEADER = re.compile(r'b"((?:x-|retry-|request-)[a-z-]+)"')
WRITTEN_IN = (
    "doors/errors.py",
    "doors/gateway.py",
    "doors/bedrock.py",
    "doors/counting.py",
    "doors/passthrough_relay.py",
    "providers/simulator/performance.py",
    "routing/lifecycle.py",
    "limits/stage.py",
)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    """What stands as code in the first column of the tables of ``text``."""
    cells = re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def section(text: str, heading: str) -> str:
    return text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]


# ------------------------------------------------------------------------------------------------------- configuration


def structs(kind: shape.Type) -> Iterator[type[Struct]]:
    """``kind`` and every struct below it."""
    match kind:
        case shape.StructType():
            yield kind.cls
            for field in kind.fields:
                yield from structs(field.type)
        case shape.Metadata():
            yield from structs(kind.type)
        case shape.DictType():
            yield from structs(kind.value_type)
        case shape.VarTupleType():
            yield from structs(kind.item_type)
        case shape.UnionType():
            for part in kind.types:
                yield from structs(part)
        case _:
            pass


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    reference = page("configuration.md").split("\n## Reference\n")[1]
    names = [field.name for kind in set(structs(shape.type_info(Config))) for field in fields(kind)]
    assert len(names) > 20
    documented = re.findall(r"^\| `([a-z_0-9]+)` \|", reference, re.MULTILINE)
    assert sorted(documented) == sorted(names)


def test_the_example_file_shows_every_setting() -> None:
    example = (ROOT / "switchgear.example.yaml").read_text(encoding="utf-8")
    names = {field.name for kind in structs(shape.type_info(Config)) for field in fields(kind)}
    missing = {name for name in names if not re.search(rf"\b{name}:", example)}
    assert missing == set()


def test_every_setting_has_a_description_for_editors() -> None:
    assert '"description": ""' not in str(schema())


# -------------------------------------------------------------------------------------------------------- command line


def parameters(command: object, path: str) -> Iterator[tuple[str, Parameter]]:
    """Every flag and argument, with the command it belongs to."""
    if isinstance(command, TyperGroup):
        for name, member in command.commands.items():
            yield from parameters(member, f"{path} {name}")
    else:
        for parameter in getattr(command, "params", []):
            yield path, parameter


def test_every_command_and_flag_is_documented_and_every_documented_command_exists() -> None:
    text = page("cli.md")
    found = list(parameters(get_command(application()), "switchgear"))
    missing = [
        f"{path} {flag}"
        for path, parameter in found
        for flag in (parameter.opts if parameter.param_type_name == "option" else [str(parameter.name)])
        if flag not in section(text, f"## {path}")
    ]
    assert missing == []
    assert {path for path, _ in found} <= set(re.findall(r"^## (switchgear .*)$", text, re.MULTILINE))


# -------------------------------------------------------------------------------------------- errors, headers, metrics


def test_every_error_is_documented_with_its_status_and_what_to_do() -> None:
    rows = dict(re.findall(r"^\| \w+ \| `(\w+)` \| (.*) \|$", page("errors.md"), re.MULTILINE))
    classes = [kind for kind in error_classes() if kind.__name__ in REMEDIES]
    assert {kind.code for kind in classes if kind is not UpstreamRefused} == rows.keys()
    for kind in classes:
        if kind not in {UpstreamRefused, ConfigError}:
            assert f"| {kind.status} | `{kind.code}` |" in page("errors.md")
    assert all(row.endswith(".") for row in rows.values())


def test_only_families_of_errors_have_no_remedy() -> None:
    without = {kind.__name__ for kind in error_classes() if kind.__name__ not in REMEDIES}
    assert without == {SwitchgearError.__name__, "CallerError"}
    assert REMEDIES.keys() <= {kind.__name__ for kind in error_classes()}


def test_every_header_that_the_gateway_adds_is_documented_and_no_other() -> None:
    written = {name for path in WRITTEN_IN for name in HEADER.findall((SOURCES / path).read_text(encoding="utf-8"))}
    documented = first_cells(section(page("operations.md"), "## Headers on every reply"))
    # For the proxies between; not the gateway's own.
    assert written - {"x-accel-buffering"} == documented


def test_no_file_but_the_known_ones_adds_a_header_of_the_gateways() -> None:
    reading = {"doors/compatibility.py", "kernel/labels.py", "routing/wishes.py"}
    forwarding = {"doors/forward.py", "doors/passthrough_reply.py", "routing/attempt.py"}
    adding = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if re.search(r'b"x-switchgear-(?!gateway)', path.read_text(encoding="utf-8"))
    }
    assert adding - forwarding - reading <= set(WRITTEN_IN)


def test_every_header_that_says_something_of_a_call_is_documented() -> None:
    text = page("operations.md") + page("migration.md").lower()
    read = {name.decode() for name in (*LABELS, *WISHES)}
    assert [name for name in sorted(read) if not re.search(f"`{name}[`:]", text)] == []


def test_every_metric_is_documented_and_no_other() -> None:
    documented = first_cells(page("metrics.md"))
    assert {name for name in documented if name.startswith(("switchgear_", "gen_ai_"))} == exposed_metrics()


def test_every_name_that_looks_like_a_metric_in_the_sources_is_one() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    named = set(re.findall(r'"(switchgear_[a-z_0-9]+(?:_total|_seconds|_nano_usd|_ratio))"', sources))
    assert len(named) > 30
    assert named - exposed_metrics() == set()


def test_every_bucket_of_tokens_and_every_class_of_errors_is_documented() -> None:
    text = page("metrics.md")
    assert len(BUCKETS) >= 9
    assert [name for name in (*BUCKETS, *CLASSES) if f"`{name}`" not in text] == []


# ------------------------------------------------------------------------------------------------ providers, simulator


def test_every_kind_of_provider_is_documented_and_no_other() -> None:
    assert first_cells(section(page("providers.md"), "## Kinds")) == kinds().keys()


def test_every_environment_variable_is_documented_and_no_other() -> None:
    names = {"SWITCHGEAR_KEY"}
    for kind in kinds().values():
        if kind.environment is not None:
            variables = (kind.environment.key, kind.environment.other_key, kind.environment.url)
            names |= {name for name in variables if name}
    examples = {
        "ACME_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "NAME",
        "VERTEX_ACCESS_TOKEN",
    }
    documented = set(re.findall(r"\b([A-Z][A-Z_]*_[A-Z_]*[A-Z])\b", page("providers.md")))
    assert documented - examples == names


def test_every_model_and_parameter_of_the_simulator_is_documented_and_no_other() -> None:
    text = page("simulator.md")
    assert first_cells(section(text, "## Models")) == {f"sim/{model.name}" for model in MODELS}
    assert first_cells(section(text, "## Parameters")) == {field.name for field in fields(Parameters)}


# ----------------------------------------------------------------------------------------------------- make, processes


def test_every_make_target_is_documented_and_every_documented_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    documented = set(re.findall(r"`make ([a-z-]+)|^\$ make ([a-z-]+)", text, re.MULTILINE))
    named = {name for pair in documented for name in pair if name}
    assert named == targets


def test_the_process_that_serves_calls_imports_only_the_packages_that_the_docs_name() -> None:
    said = re.search(r"imports five: (.*)\.$", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert said is not None
    finished = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == sorted(said[1].split(", "))


# Which distributions the modules come from; what was loaded before the import is the interpreter's own, and
# typing_extensions is loaded by msgspec wherever some other package happens to have brought it.
IMPORTED = """
import sys
from importlib.metadata import packages_distributions
before = set(sys.modules)
import switchgear.processes.gateway
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
providers = packages_distributions()
print(*sorted({providers[name][0] for name in loaded if name in providers} - {"switchgear", "typing_extensions"}))
"""
