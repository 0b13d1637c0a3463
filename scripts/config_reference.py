"""The keys of switchgear.yaml for docs/configuration.md, written from the structs themselves (see scripts/docs.py)."""

from collections.abc import Iterator, Mapping
from typing import cast

from switchgear.config import schema

HEADINGS = {
    "Config": "The file",
    "Server": "`server`",
    "Journal": "`journal`",
    "State": "`state`",
    "Control": "`control`",
    "CountersEntry": "`counters`",
    "Secrets": "`secrets`",
    "MetricsEntry": "`metrics`",
    "BatchesEntry": "`batches`",
    "Traces": "`traces`",
    "ClickHouseEntry": "`traces.clickhouse`",
    "MaskEntry": "`traces.masks.<name>`",
    "ExportEntry": "`traces.export.<name>`",
    "AlertsEntry": "`alerts`",
    "AlertRuleEntry": "`alerts.rules.<name>`",
    "WhereEntry": "`alerts.rules.<name>.where`",
    "ReceiverEntry": "`alerts.receivers.<name>`",
    "Console": "`console`",
    "SingleSignOnEntry": "`console.single_sign_on`",
    "OrganisationEntry": "`organisations.<name>`",
    "ProjectEntry": "`projects.<name>`",
    "DriftSettings": "`traces.drift`",
    "GrpcEntry": "`traces.grpc`",
    "GrpcTlsEntry": "`traces.grpc.tls`",
    "ProjectTraces": "`projects.<name>.traces`",
    "TeamEntry": "`teams.<name>`",
    "UserEntry": "`users.<name>`",
    "ServiceAccountEntry": "`service_accounts.<name>`",
    "Key": "`keys[]`",
    "ProviderEntry": "`providers.<name>`",
    "LimitEntry": "`limits.<name>`",
    "PassThroughEntry": "`passthrough[]`",
    "PriceCard": "`providers.<name>.prices.<model>`",
    "TierCard": "`providers.<name>.prices.<model>.tiers[]`",
    "DatedCard": "`providers.<name>.prices.<model>.later[]`",
    "Capabilities": "`providers.<name>.capabilities.<model>`",
    "Prices": "`prices`",
    "RoutingEntry": "`routing`",
    "RetriesEntry": "`routing.retries`",
    "BreakerEntry": "`routing.breaker`",
    "HedgingEntry": "`routing.hedging`",
    "ModelEntry": "`models.<name>`",
    "DeploymentEntry": "`models.<name>.deployments[]`",
    "TimersEntry": "`models.<name>.deployments[].timers`",
    "FallbacksEntry": "`models.<name>.fallbacks`",
    "SplitEntry": "`models.<name>.splits[]`",
    "ShadowEntry": "`models.<name>.shadow`",
    "ModelCard": "`models.<name>.card`",
    "Stages": "`models.<name>.card.dates`",
    "Lineage": "`models.<name>.card.lineage`",
    "Compatibility": "`compatibility`",
}
REFERENCE = "#/$defs/"

Node = Mapping[str, object]


def settings_reference() -> str:
    """A heading and a table for each part of the configuration."""
    definitions = cast("Mapping[str, Node]", schema()["$defs"])
    assert set(definitions) == set(HEADINGS)
    parts: list[str] = []
    for name, heading in HEADINGS.items():
        parts += [f"### {heading}", str(definitions[name]["description"]), "\n".join(_table(definitions[name]))]
    return "\n\n".join(parts)


def _table(definition: Node) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    required = cast("list[str]", definition["required"])
    for field, node in cast("Mapping[str, Node]", definition["properties"]).items():
        default = "required" if field in required else _default(node.get("default"))
        yield f"| `{field}` | {_kind(node)} | {default} | {node['description']} |".replace("\\|", "|")


def _default(value: object) -> str:
    if value is None or value in ("", (), [], {}) or isinstance(value, dict):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(node: Node) -> str:
    """What may stand there, in words."""
    if "anyOf" in node:
        return _kind(cast("list[Node]", node["anyOf"])[0])
    if "$ref" in node:
        return f"a mapping, see {_link(node)}"
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in cast("list[str]", node["enum"]))
    kind = node.get("type")
    if kind == "object":
        return f"a mapping of names to {_member(cast('Node', node['additionalProperties']))}"
    if kind == "array":
        return f"a list of {_member(cast('Node', node['items']))}"
    return {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}.get(
        str(kind), "text"
    ) + _range(node)


def _member(node: Node) -> str:
    if "$ref" in node:
        return f"mappings, see {_link(node)}"
    return {"number": "numbers"}.get(_plain_type(node), "texts") + _range(_plain(node))


def _plain(node: Node) -> Node:
    """What may stand there but for a reference."""
    return cast("list[Node]", node["anyOf"])[0] if "anyOf" in node else node


def _plain_type(node: Node) -> str:
    return str(_plain(node).get("type"))


def _link(node: Node) -> str:
    heading = HEADINGS[str(node["$ref"]).removeprefix(REFERENCE)]
    anchor = "".join(character for character in heading.lower() if character.isalnum() or character in "-_ ")
    return f"[{heading}](#{anchor.strip().replace(' ', '-')})"


def _range(node: Node) -> str:
    low, above, high = node.get("minimum"), node.get("exclusiveMinimum"), node.get("maximum")
    words = [
        f"from {low}" if low is not None else "",
        f"more than {above}" if above is not None else "",
        f"to {high}" if high is not None else "",
    ]
    said = " ".join(word for word in words if word)
    return f", {said}" if said else ""
