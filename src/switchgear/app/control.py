"""The control plane put together: health, metrics, the console, the first management routes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from switchgear.app.asker import Gateway, gateway_of
from switchgear.app.management import Management, Sources, api
from switchgear.console.login import LoginPages
from switchgear.console.page import Overview, Row, render
from switchgear.kernel.record import CallRecord
from switchgear.traces.families import CONTENT_TYPES, wanted_form


def control(
    sources: Sources, management: Management, login: LoginPages | None = None, routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """The application of the control process; ``routers`` are of what is no management."""
    app = FastAPI(title="Switchgear", version=sources.version, docs_url=None, redoc_url=None, openapi_url=None)
    api(sources, management).mount(app)
    _add_health(app, sources)
    _add_pages(app, sources, login)
    if login is not None:
        app.include_router(login.router())
    for router in routers:
        app.include_router(router)
    return app


Said = Annotated[Gateway, Depends(gateway_of)]


def local_only(gateway: Said) -> None:
    """Metrics are for callers on this machine, and not behind a proxy."""
    if not gateway.local_caller:
        raise HTTPException(403, "this path is open to callers on the gateway's own machine only")


def _add_health(app: FastAPI, sources: Sources) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    def readyz(gateway: Said) -> Response:
        ready = gateway.journal != "failing" and not gateway.draining
        facts = {
            "status": "ok" if ready else "not ready",
            "version": sources.version,
            "config": gateway.config,
            "config_problem": gateway.problem,
            "journal": gateway.journal or "unknown",
            "journal_lost_records": gateway.lost_records,
            "feed_age_seconds": gateway.feed_age_seconds,
            "draining": gateway.draining,
            "control": "ok",
        }
        return JSONResponse(facts, 200 if ready else 503)

    @app.get("/readyz/control")
    def readyz_of_control() -> Response:
        return JSONResponse({"status": "ok", "control": "ok"})

    @app.get("/metrics", dependencies=[Depends(local_only)])
    def metrics(accept: Annotated[str, Header()] = "") -> Response:
        form = wanted_form(accept)
        return Response(sources.metrics(form), media_type=CONTENT_TYPES[form])

    _ = (healthz, readyz, readyz_of_control, metrics)


def _add_pages(app: FastAPI, sources: Sources, login: LoginPages | None) -> None:
    @app.get("/console")
    async def console(request: Request, gateway: Said) -> Response:
        if not gateway.local_caller and login is None:
            raise HTTPException(403, "this path is open to callers on the gateway's own machine only")
        if not gateway.local_caller and login is not None and not await login.is_open_to(request):
            return RedirectResponse("/console/login?next=/console", 303)
        overview = Overview(
            version=sources.version,
            config_version=gateway.config,
            config_problem=gateway.problem,
            models=sources.models(),
            calls=[row_of(record) for record in sources.newest(50)],
        )
        return HTMLResponse(render(overview))

    _ = (console,)


def row_of(record: CallRecord) -> Row:
    """A call in the console's words."""
    attempt = record.attempts[-1] if record.attempts else None
    usage = attempt.usage if attempt is not None else None
    tokens = f"{'~' if usage.estimated else ''}{usage.total_input} → {usage.total_output}" if usage is not None else ""
    moment = datetime.fromtimestamp(record.started_ns / 1e9, tz=UTC)
    return Row(
        time=moment.strftime("%H:%M:%S"),
        status=record.status,
        outcome=record.outcome,
        key=record.key,
        model=record.model,
        deployment=attempt.deployment if attempt is not None else "",
        duration=f"{record.duration_ns / 1e6:,.1f} ms",
        tokens=tokens,
        error=record.error,
    )
