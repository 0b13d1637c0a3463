"""A convention is one new file."""

from pathlib import Path

from switchgear.kernel.span import ToldSpan
from switchgear.traces import conventions
from switchgear.traces.conventions import discover
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser

ACME = """
from switchgear.traces.conventions.convention import Convention

CONVENTION = Convention(
    name="acme",
    order=5,
    names={"acme.kind": "kind", "acme.model": "model", "acme.in": "tokens.input", "acme.out": "tokens.output"},
)
"""


def test_the_most_specific_convention_comes_first_and_genai_last() -> None:
    names = [convention.name for convention in discover()]

    assert names[0] == "switchgear"
    assert names[-1] == "genai"
    assert len(names) == len(set(names)) == 8


def test_a_new_convention_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "acme_of_a_test.py").write_text(ACME, encoding="utf-8")
    conventions.__path__.append(str(tmp_path))
    told = ToldSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        name="ask",
        started_ns=1,
        ended_ns=2,
        attributes={"acme.kind": "llm", "acme.model": "a-1", "acme.in": 3, "acme.out": 4, "gen_ai.system": "acme"},
    )

    try:
        normalise = Normaliser()
    finally:
        conventions.__path__.remove(str(tmp_path))
    span = normalise(told, Origin(project="p", door="otlp"))

    assert (span.convention, span.kind, span.model, span.provider) == ("acme", "llm", "a-1", "acme")
    assert span.usage is not None
    assert (span.usage.input, span.usage.output) == (3, 4)
