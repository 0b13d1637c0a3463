"""What went wrong, as RFC 9457 has it: a problem in JSON, for every answer that is no success."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

from msgspec import Struct, json

from switchgear.kernel.errors import SwitchgearError

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:switchgear:problem:"
_MAX_DETAIL: Final = 2000


class Refused(SwitchgearError):
    """A request of the management API that cannot be granted: its status, a stable code, and what to do.

    ``members`` are further members of the problem, such as the file that owns an object.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        members: Mapping[str, object] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.status = status
        self.code = code
        self.members = members or {}


class Problem(Struct, kw_only=True):
    """Why a request was not granted (RFC 9457); some kinds have further members."""

    type: str
    """`urn:switchgear:problem:` and the code."""
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def not_found(what: str) -> Refused:
    """There is no such thing, or none that the caller may know of."""
    return Refused(404, "not_found", f"there is no {what}")


def forbidden(permission: str, where: str = "") -> Refused:
    """The caller is known, and may not do this."""
    return Refused(
        403,
        "permission_denied",
        f"this needs the permission {permission!r}{where}; a role that is bound to you gives it",
    )


def problem_of(error: SwitchgearError, request_id: str) -> tuple[int, dict[str, object]]:
    """The status and the body that tell of ``error``."""
    status = error.status
    problem: dict[str, object] = {
        "type": f"{_TYPE}{error.code}",
        "title": HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error",
        "status": status,
        "detail": error.message[:_MAX_DETAIL],
        "code": error.code,
        "request_id": request_id,
    }
    if isinstance(error, Refused):
        problem.update(error.members)
    return status, problem


def written(problem: Mapping[str, object]) -> bytes:
    """A problem as bytes."""
    return json.encode(cast("object", problem))
