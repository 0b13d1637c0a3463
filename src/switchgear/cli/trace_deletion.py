"""``switchgear traces delete``: asked of a running gateway, piece by piece."""

from urllib.parse import quote

import typer
from msgspec import Struct

from switchgear.cli.output import show_blocks, show_json
from switchgear.cli.trace_asking import TRACES, Asking
from switchgear.cli.trace_options import DeleteTracesOptions
from switchgear.kernel.errors import BadRequest


class Deleted(Struct):
    """What is gone."""

    traces: int = 0
    spans: int = 0
    scores: int = 0
    more: bool = False


def delete(options: DeleteTracesOptions) -> None:
    """Delete what is named, and say how much that was. Raises BadRequest."""
    if bool(options.trace) == bool(options.user):
        raise BadRequest("say what is to be deleted: either the id of a trace, or --user")
    what = f"trace {options.trace}" if options.trace else f"every trace of user {options.user!r}"
    where = f" in project {options.project!r}" if options.project else ""
    if not options.yes:
        typer.confirm(f"Delete {what}{where}, for good?", abort=True, err=True)
    path = f"{TRACES}/{quote(options.trace, safe='')}" if options.trace else TRACES
    asking = Asking(options.url, options.key, options.config)
    asked = {"project": options.project, "user": options.user}
    gone, goes_on = Deleted(), True
    while goes_on:
        piece = asking.delete(path, asked, Deleted)
        gone = Deleted(gone.traces + piece.traces, gone.spans + piece.spans, gone.scores + piece.scores)
        goes_on = piece.more and piece.spans > 0
    if options.as_json:
        show_json({"traces": gone.traces, "spans": gone.spans, "scores": gone.scores})
    elif not gone.spans:
        show_blocks(["Nothing was there to delete."])
    else:
        show_blocks([f"Deleted: {gone.traces} traces, {gone.spans} spans, {gone.scores} scores."])
