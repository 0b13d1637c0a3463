"""Hot reload: notices that the configuration file changed, and hands on what it now says."""

import asyncio
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from switchgear.config.model import Config
from switchgear.kernel.errors import ConfigError

POLL_SECONDS: Final = 0.5

Load = Callable[[Path, Mapping[str, str]], Config]
Stamp = tuple[int, int, int]
Stamps = tuple[tuple[Stamp | None, ...], Hashable]
_UNSEEN: Final = (-1, -1, -1)


class ConfigWatcher:
    """Looks at a file's time, size and inode every half second, off the loop, and reads it again when they changed.

    Make it before the first load, so that no change falls between the two. A file that cannot be used goes to
    ``report``, once for each change, and nothing is applied: the old configuration stays. ``apply`` may raise
    ConfigError too, which is reported in the same way.
    """

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        load: Load,
        apply: Callable[[Config], None],
        report: Callable[[ConfigError], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._path = path
        self._files = (path,)
        self._environ = environ
        self._load = load
        self._apply = apply
        self._report = report
        self._poll_seconds = poll_seconds
        self._instead: Callable[[], Config | None] = _nothing
        self._took: Callable[[Config], object] = bool
        self._also: Callable[[], Hashable] = int
        self._stamp = self._look()

    def watch(self, also: Callable[[], Hashable]) -> None:
        """Read again when ``also`` returns something else, too; it is called off the loop, and once now."""
        self._also = also
        self._stamp = self._look()

    def otherwise(self, load: Callable[[], Config | None], took: Callable[[Config], None]) -> None:
        """When what changed cannot be used, apply what ``load`` returns, where that is anything, before it is told.

        ``load`` is called off the loop, and may raise ConfigError too; ``took`` is told all that was applied.
        """
        self._instead, self._took = load, took

    def follow(self, config: Config) -> None:
        """Watch the other files of ``config`` too; to be called before they are read.

        What was read already, and was not watched then, is read once more: it may have changed in between.
        """
        known: dict[Path, Stamp | None] = dict(zip(self._files, self._stamp[0], strict=True))
        known = {**dict.fromkeys(config.read_files, _UNSEEN), **known}
        self._files = (self._path, *config.files)
        stamps = tuple(known[path] if path in known else _stamp_of(path) for path in self._files)
        self._stamp = (stamps, self._stamp[1])

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.look()

    async def look(self) -> None:
        """Look once, and act on what changed since the last look."""
        stamp = await asyncio.to_thread(self._look)
        if stamp == self._stamp:
            return
        try:
            config = await asyncio.to_thread(self._load, self._path, self._environ)
            if await self._still(stamp):
                self.follow(config)
                self._apply(config)
                self._took(config)
        except ConfigError as error:
            if await self._still(stamp):
                await self._go_on()
                self._report(error)

    async def _go_on(self) -> None:
        """While the file cannot be used, apply what else there is to apply."""
        with suppress(ConfigError):
            config = await asyncio.to_thread(self._instead)
            if config is not None:
                self._apply(config)
                self._took(config)

    async def _still(self, stamp: Stamps) -> bool:
        """Whether what was read is what ``stamp`` stood for; a file caught in the middle of a write is read again."""
        settled = await asyncio.to_thread(self._look) == stamp
        if settled:
            self._stamp = stamp
        return settled

    def _look(self) -> Stamps:
        return _stamp(self._files), self._also()


def _nothing() -> None:
    """There is nothing to apply instead."""


def _stamp(paths: Iterable[Path]) -> tuple[Stamp | None, ...]:
    """What changes when one of the files does; None stands for one that is not there."""
    return tuple(_stamp_of(path) for path in paths)


def _stamp_of(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (follows links, as the reading does)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
