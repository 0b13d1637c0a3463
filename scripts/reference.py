"""Reference tables for docs/, written from the code itself (see scripts/docs.py)."""

from collections.abc import Iterator

from switchgear.kernel import errors
from switchgear.kernel.errors import CallerError, ConfigError, SwitchgearError, UpstreamRefused

FAULTS = {
    "caller": "the caller",
    "gateway": "this gateway",
    "upstream": "the upstream",
    "operator": "the operator",
}


# Never raised themselves: they say whose doing their members are.
FAMILIES = (SwitchgearError, CallerError)


def error_classes(root: type[SwitchgearError] = SwitchgearError) -> Iterator[type[SwitchgearError]]:
    """Every class of the error tree, parents before children, in the order of the file."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child)


def first_sentence(kind: type[SwitchgearError]) -> str:
    """What the class says of itself, as one table cell."""
    paragraph = (kind.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`").replace("|", "\\|")


def errors_table() -> str:
    """Status, code, whose fault, whether a retry helps, and the meaning of each error."""
    lines = ["| status | code | whose doing | retry helps | meaning |", "|---|---|---|---|---|"]
    for kind in error_classes():
        if kind in FAMILIES:
            continue
        retry = "yes" if kind.retryable else "no"
        status, code = f"{kind.status}", f"`{kind.code}`"
        if kind is UpstreamRefused:
            status, code, retry = "its own", "its own", "408, 409, 429, 5xx"
        if kind is ConfigError:
            status = "none"
        lines.append(f"| {status} | {code} | {FAULTS[kind.fault]} | {retry} | {first_sentence(kind)} |")
    return "\n".join(lines)
