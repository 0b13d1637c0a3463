"""``switchgear traces comments``: asked of a running gateway, and shown."""

import sys
from typing import Final

from switchgear.cli.comment_options import CommentOptions
from switchgear.cli.output import Grid, show_blocks, show_json
from switchgear.cli.trace_asking import Asking
from switchgear.kernel.errors import BadRequest
from switchgear.traces.comments.api import CommentPage, ShownComment

_COMMENTS: Final = "/api/v1/comments"
_MAX_PAGE: Final = 200
_HEADINGS: Final = ("when", "who", "on", "what")


def comments(options: CommentOptions) -> None:
    """Print what was said, or say something. Raises BadRequest."""
    if options.span and not options.trace:
        raise BadRequest("--span is of a trace: name that, too")
    asking = Asking(options.url, options.key, options.config)
    about = {
        "project": options.project,
        "trace_id": options.trace,
        "span_id": options.span,
        "session": options.session,
    }
    found = [_said(asking, options, about)] if options.say else _listed(asking, about, options.limit)
    if options.as_json:
        show_json(found)
    elif not found:
        show_blocks(["Nobody said anything."])
    else:
        show_blocks([Grid(headings=_HEADINGS, rows=[_row(comment) for comment in found])])


def _said(asking: Asking, options: CommentOptions, about: dict[str, str]) -> ShownComment:
    if bool(options.trace) == bool(options.session):
        raise BadRequest("say what it is about: either a trace, or --session")
    text = sys.stdin.read() if options.say == "-" else options.say
    return asking.post(_COMMENTS, {**about, "text": text.strip()}, ShownComment)


def _listed(asking: Asking, about: dict[str, str], most: int) -> list[ShownComment]:
    found: list[ShownComment] = []
    cursor = ""
    while len(found) < most:
        limit = min(most - len(found), _MAX_PAGE)
        page = asking.get(_COMMENTS, {**about, "limit": str(limit), "cursor": cursor}, CommentPage)
        found += page.data
        if page.next is None:
            break
        cursor = page.next
    return found


def _row(comment: ShownComment) -> tuple[str, ...]:
    on = comment.session or "/".join(filter(None, (comment.trace_id, comment.span_id)))
    changed = "" if comment.changed_at == comment.created_at else " (changed)"
    return comment.created_at, comment.author, on, f"{comment.text}{changed}"
