"""What files and batches are: their facts, and whose they are."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

Door = Literal["openai", "anthropic"]
Status = Literal["validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"]
LineState = Literal["waiting", "succeeded", "errored", "expired", "cancelled"]
FileKind = Literal["upload", "requests", "output", "error"]

ACTIVE: Final[tuple[Status, ...]] = ("validating", "in_progress", "finalizing", "cancelling")
"""Of batches that are not over."""
ENDPOINTS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
"""Where lines of OpenAI's batches may go; those of Anthropic's go to :data:`MESSAGES`."""
MESSAGES: Final = "/v1/messages"
NANOSECONDS: Final = 1_000_000_000
MAX_LINES: Final = 50_000
"""Requests of one batch; vendors take no more."""
MAX_LINE_BYTES: Final = 4 * 1024 * 1024


PROJECT_SCOPE: Final = "project:"
"""What the scope of a project's batches begins with."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks: a virtual key, and the project that it belongs to."""

    key: str
    project: str = ""

    @property
    def scope(self) -> str:
        """Who sees the same files and batches: the keys of one project, or a key without one by itself."""
        return f"{PROJECT_SCOPE}{self.project}" if self.project else f"key:{self.key}"


class File(Struct, frozen=True, kw_only=True):
    """One file."""

    id: str
    scope: str
    purpose: str
    filename: str
    state: str
    kind: FileKind
    batch: str
    """Of results: whose."""
    bytes: int
    lines: int
    created_ns: int
    expires_ns: int


class Batch(Struct, frozen=True, kw_only=True):
    """One batch; times are nanoseconds of wall time, None while they have not come."""

    id: str
    scope: str
    key: str
    """The name of the virtual key that created it, under which its lines run."""
    door: Door
    endpoint: str
    completion_window: str
    status: Status
    metadata: str
    """JSON."""
    errors: str
    """What was wrong with its file: a JSON list in OpenAI's shape; empty when nothing was."""
    input_file: str
    output_file: str
    error_file: str
    owner: str
    """Which control process runs it."""
    created_ns: int
    expires_ns: int
    lease_until_ns: int
    results_keep_seconds: int
    """How long its files of results are kept, as its creator said; 0: as long as the installation keeps files."""
    in_progress_ns: int | None
    finalizing_ns: int | None
    completed_ns: int | None
    failed_ns: int | None
    expired_ns: int | None
    cancelling_ns: int | None
    cancelled_ns: int | None
    total: int
    succeeded: int
    errored: int
    unfinished: int
    """Lines that were given up because it expired or was cancelled."""

    @property
    def project(self) -> str:
        """Whose it is; empty: of a key without a project."""
        return self.scope.removeprefix(PROJECT_SCOPE) if self.scope.startswith(PROJECT_SCOPE) else ""

    @property
    def is_active(self) -> bool:
        """Whether it is not over."""
        return self.status in ACTIVE


class Result(Struct, frozen=True, kw_only=True):
    """What became of one line."""

    state: LineState
    status: int = 0
    request_id: str = ""
    response: bytes | None = None
    """JSON without line ends."""


class DoneLine(Struct, frozen=True, kw_only=True):
    """One line of results."""

    number: int
    custom_id: str
    result: Result


class Rules(Struct, frozen=True, kw_only=True):
    """How much anybody may keep, and for how long."""

    max_file_bytes: int
    max_files: int
    max_batches: int
    keep_seconds: int


class Progress(Struct, frozen=True, kw_only=True):
    """Counts over everybody's batches."""

    batches: Mapping[str, int]
    """By status."""
    lines: Mapping[str, int]
    """By state."""
