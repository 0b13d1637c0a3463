"""From a model to other names: which of them are retired, and a model without its ways to some of them."""

from collections.abc import Collection, Mapping

from msgspec import structs

from switchgear.config.routing import FallbacksEntry, ModelEntry, SplitEntry


def retired(models: Mapping[str, ModelEntry]) -> dict[str, ModelEntry]:
    """Those whose stage says so, by each of their names."""
    ended = {name: entry for name, entry in models.items() if entry.card.stage == "retired"}
    return ended | {other: entry for entry in ended.values() for other in entry.aliases}


def ways(name: str, entry: ModelEntry) -> set[str]:
    """Other names that calls of the model ``name`` may go to."""
    found = {way for chain in entry.fallbacks.chains().values() for way in chain}
    found |= {way for split in entry.splits for way in split.to}
    if entry.shadow is not None:
        found.add(entry.shadow.to)
    return found - {name}


def without(name: str, entry: ModelEntry, lost: Collection[str]) -> ModelEntry:
    """The model ``name`` without these of its ways; calls that a split sent there stay."""
    chains = {
        cause: tuple(way for way in chain if way not in lost) for cause, chain in entry.fallbacks.chains().items()
    }
    return structs.replace(
        entry,
        fallbacks=FallbacksEntry(**chains),
        splits=tuple(_staying(name, split, lost) for split in entry.splits),
        shadow=None if entry.shadow is not None and entry.shadow.to in lost else entry.shadow,
    )


def _staying(name: str, split: SplitEntry, lost: Collection[str]) -> SplitEntry:
    shares = {way: share for way, share in split.to.items() if way not in lost}
    stray = sum(share for way, share in split.to.items() if way in lost)
    if stray:
        shares[name] = shares.get(name, 0.0) + stray
    return structs.replace(split, to=shares)
