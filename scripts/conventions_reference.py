"""Renders the tables of docs/conventions.md from the conventions themselves."""

from switchgear.traces.conventions import Convention, Named, discover


def _rows(convention: Convention) -> dict[str, list[str]]:
    """Attributes by the field that they tell."""
    fields: dict[str, list[str]] = {}
    for table in (convention.names, convention.shared, convention.scoped):
        for attribute, told in table.items():
            fields.setdefault(told.field if isinstance(told, Named) else told, []).append(f"`{attribute}`")
    for prefix, family in convention.families.items():
        fields.setdefault(family.field, []).append(f"`{prefix}*`")
    return fields


def names_tables() -> str:
    """One table for each convention, the most specific first."""
    parts: list[str] = []
    for convention in discover():
        lines = [f"### {convention.name}", "", "| field | attributes, the better one first |", "|---|---|"]
        lines += [f"| `{field}` | {', '.join(names)} |" for field, names in sorted(_rows(convention).items())]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def accounting_table() -> str:
    """Whose totals hold their parts."""
    lines = [
        "| convention | input holds cached, audio and image tokens | output holds reasoning and audio tokens |",
        "|---|---|---|",
    ]
    for convention in discover():
        told = convention.accounting
        words = ("yes" if held else "no" for held in (told.input_holds_parts, told.output_holds_parts))
        lines.append(f"| {convention.name} | {' | '.join(words)} |")
    return "\n".join(lines)
