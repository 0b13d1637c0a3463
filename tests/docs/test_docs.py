"""The documentation is checked like code: links, reachability, generated sections."""

import re
from collections import Counter
from pathlib import Path

import pytest

from scripts.docs import ROOT, broken_links, pages, prose, rendered, slug, stale_pages, unreachable_pages


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_no_link_of_the_documentation_is_broken() -> None:
    assert list(broken_links(ROOT)) == []


def test_every_page_is_reachable_from_the_index() -> None:
    assert list(unreachable_pages(ROOT)) == []


def test_the_index_names_each_page_as_the_first_of_a_line_once() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"^- \[[^]]*\]\(([^)]*)\)", index, re.MULTILINE)
    assert [page for page, times in Counter(named).items() if times > 1] == []


def test_every_heading_has_an_empty_line_before_it() -> None:
    text = {page.name: prose(page.read_text(encoding="utf-8")) for page in pages(ROOT)}
    assert [name for name, told in text.items() if re.search(r"[^\n]\n#{1,6} ", told)] == []


def test_every_generated_section_is_what_the_code_says_now() -> None:
    assert list(stale_pages(ROOT, write=False)) == []


def test_broken_links_and_lost_pages_are_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        "docs/index.md",
        "# Index\n[a](a.md) [b](missing.md) [c](a.md#here) [d](a.md#not-here)\n`[e](code.md)`\n",
    )
    write(tmp_path, "docs/a.md", "# A\n## Here\n```\n## Not here\n[f](fenced.md)\n```\n")
    write(tmp_path, "docs/lost.md", "# Lost\n")
    assert list(broken_links(tmp_path)) == [
        "docs/index.md: missing.md: no such file",
        "docs/index.md: a.md#not-here: no such heading",
    ]
    assert list(unreachable_pages(tmp_path)) == ["docs/lost.md: no link leads here from docs/index.md"]


def test_a_stale_section_is_reported_and_then_renewed(tmp_path: Path) -> None:
    write(tmp_path, "docs/index.md", "<!-- generated: scripts.reference:errors_table -->\nold\n<!-- end -->\n")
    assert len(list(stale_pages(tmp_path, write=False))) == 1
    assert list(stale_pages(tmp_path, write=True)) == []
    assert "model_not_found" in (tmp_path / "docs/index.md").read_text(encoding="utf-8")
    assert list(stale_pages(tmp_path, write=False)) == []


def test_a_section_inside_a_code_fence_is_left_alone() -> None:
    text = "```\n<!-- generated: no.such:thing -->\n<!-- end -->\n```\n"
    assert rendered(text) == text


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Add a provider in one file", "add-a-provider-in-one-file"),
        ("`switchgear serve`: flags", "switchgear-serve-flags"),
        ("See [the page](x.md)", "see-the-page"),
    ],
)
def test_headings_get_the_anchors_that_readers_link_to(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor
