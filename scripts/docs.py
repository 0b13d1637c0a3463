"""Keeps docs/ true: renders the generated sections, and checks links and reachability.

A page asks for a generated section with two comment lines:

    <!-- generated: scripts.reference:errors_table -->
    <!-- end -->

The name is a function without arguments that returns Markdown; whatever stands between the lines is replaced.
`python -m scripts.docs` writes; `python -m scripts.docs --check` only reports, and exits 1 when something is wrong.
"""

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parent.parent
SECTION = re.compile(
    r"(?P<open><!-- generated: (?P<generator>[\w.]+:\w+) -->\n)(?P<body>.*?)(?P<close><!-- end -->)", re.DOTALL
)
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"^(https?|mailto):")


def pages(root: Path) -> list[Path]:
    """Every Markdown file that a reader may open: those at the root, and docs/."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def generate(name: str) -> str:
    """The Markdown of the generator ``module:function``."""
    module, _, function = name.partition(":")
    generator = cast("Callable[[], str]", getattr(importlib.import_module(module), function))
    return generator()


def rendered(text: str) -> str:
    """``text`` with its generated sections made anew; what stands inside a code fence is left alone."""
    fences = [match.span() for match in FENCE.finditer(text)]

    def section(match: re.Match[str]) -> str:
        if any(start <= match.start() < end for start, end in fences):
            return match[0]
        return f"{match['open']}\n{generate(match['generator']).strip()}\n\n{match['close']}"

    return SECTION.sub(section, text)


def prose(text: str) -> str:
    """``text`` without code, in which a bracket is no link and a hash no heading."""
    return FENCE.sub("", text)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = LINK.sub(lambda match: match[0].split("]")[0].lstrip("!["), heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """All anchors of ``page``; a heading that occurs again gets a number, as GitHub does it."""
    found: set[str] = set()
    for match in HEADING.finditer(prose(page.read_text(encoding="utf-8"))):
        base = slug(match["text"])
        number = 0
        name = base
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """(as written, file, anchor) of each link of ``page`` that stays inside the project."""
    for match in LINK.finditer(CODE.sub("", prose(page.read_text(encoding="utf-8")))):
        target = match["target"]
        if ELSEWHERE.match(target):
            continue
        file, _, anchor = target.partition("#")
        yield target, (page.parent / file).resolve() if file else page, anchor


def broken_links(root: Path) -> Iterator[str]:
    """Links that lead to no file, or to a heading that is not there."""
    for page in pages(root):
        for written, file, anchor in links(page):
            where = f"{page.relative_to(root)}: {written}"
            if not file.exists():
                yield f"{where}: no such file"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                yield f"{where}: no such heading"


def unreachable_pages(root: Path) -> Iterator[str]:
    """Pages of docs/ that no chain of links from docs/index.md reaches."""
    start = (root / "docs" / "index.md").resolve()
    seen = {start}
    waiting = [start]
    while waiting:
        page = waiting.pop()
        fresh = {file for _, file, _ in links(page) if file.suffix == ".md" and file.exists()} - seen
        seen |= fresh
        waiting += fresh
    for page in sorted((root / "docs").rglob("*.md")):
        if page.resolve() not in seen and not page.name.startswith("000-"):
            yield f"{page.relative_to(root)}: no link leads here from docs/index.md"


def stale_pages(root: Path, *, write: bool) -> Iterator[str]:
    """Pages whose generated sections are not what the code says now; with ``write`` they are renewed instead."""
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        fresh = rendered(text)
        if fresh == text:
            continue
        if write:
            page.write_text(fresh, encoding="utf-8")
        else:
            yield f"{page.relative_to(root)}: a generated section is stale; run `make docs`"


def main(arguments: list[str]) -> int:
    """Render or check; returns the exit status."""
    parser = argparse.ArgumentParser(description="Render the generated parts of docs/ and check every link.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is stale or broken")
    options = parser.parse_args(arguments)
    faults = [
        *stale_pages(ROOT, write=not options.check),
        *broken_links(ROOT),
        *unreachable_pages(ROOT),
    ]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.stdout.write(f"docs: {len(pages(ROOT))} pages, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
