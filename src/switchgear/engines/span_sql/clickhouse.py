"""SQL as ClickHouse writes it. Its text is bytes."""

from collections.abc import Sequence

from switchgear.engines.span_sql.dialect import Bound
from switchgear.kernel.query import Measure

_ACCURACY = 0.01
"""What ``approximate`` allows."""


class ClickHouse:
    """Placeholders are parameters of the query (``{name:Type}``)."""

    def placeholder(self, name: str, value: Bound) -> str:
        if isinstance(value, float):
            # A parameter would be read less precisely than a number in the text.
            return repr(value)
        return f"{{{name}:{_type(value)}}}"

    def is_any_of(self, value: str, texts: str) -> str:
        return f"{value} IN {texts}"

    def has(self, texts: str, text: str) -> str:
        return f"has({texts}, {text})"

    def is_noted(self, key: str, value: str) -> str:
        # The first two are what the indexes know.
        place = f"metadata_values[indexOf(metadata_names, {key})]"
        return f"(has(metadata_names, {key}) AND has(metadata_values, {value}) AND {place} = {value})"

    def starts_with(self, value: str, prefix: str) -> str:
        return f"startsWith({value}, {prefix})"

    def text_of(self, value: str) -> str:
        return f"ifNull(toString({value}), '')"

    def optional(self, value: str) -> str:
        return f"toNullable({value})"

    def sum(self, value: str) -> str:
        # Sums of 64 bits would wrap in silence.
        return f"sum(toInt128({value}))"

    def quantile(self, measure: Measure, value: str, q: str) -> str:
        if measure.approximate:
            return f"quantileDD({_ACCURACY}, {q})({value})"
        place = f"toInt64(greatest(ceil({q} * count({value})), 1))"
        return f"if(count({value}) = 0, NULL, arraySort(groupArray({value}))[{place}])"

    def first(self, value: str, where: str, order: Sequence[str]) -> str:
        return f"argMinIf({value}, ({', '.join(order)}), {where})"

    def texts(self, value: str) -> str:
        return f"groupUniqArray({value})"

    def texts_in(self, texts: str) -> str:
        return f"groupUniqArrayArray({texts})"


def _type(value: Bound) -> str:
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, int):
        return "Int64"
    return "String" if isinstance(value, str) else "Array(String)"
