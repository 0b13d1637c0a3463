"""All commands under one name."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from switchgear.cli.alerts import AlertHistoryOptions, ListAlertsOptions, SilenceOptions, TryReceiverOptions
from switchgear.cli.audit import AuditListOptions, AuditVerifyOptions
from switchgear.cli.batch import check_batch
from switchgear.cli.batches import CancelBatchOptions, ListBatchesOptions, ShowBatchOptions
from switchgear.cli.chat import chat
from switchgear.cli.check import check
from switchgear.cli.comment_options import CommentOptions
from switchgear.cli.database_options import CurrentOptions, UpgradeOptions
from switchgear.cli.drift import CheckDriftOptions, ListDriftOptions
from switchgear.cli.identity_options import (
    CreateKeyOptions,
    CreateUserOptions,
    DeleteSecretOptions,
    ListKeysOptions,
    ListSecretsOptions,
    PasswordOptions,
    RevokeKeyOptions,
    RotateKeyOptions,
    RotateMasterOptions,
    SetSecretOptions,
    ShowKeyOptions,
)
from switchgear.cli.import_config import litellm
from switchgear.cli.init import init
from switchgear.cli.key import new_key, new_master_key
from switchgear.cli.ledger import ExportOptions, ListOptions, ReconcileOptions, RerateOptions, StatementOptions
from switchgear.cli.limit_options import DeleteLimitOptions, LimitHistoryOptions, PutLimitOptions, RevertLimitOptions
from switchgear.cli.limits import list_limits, show_limit
from switchgear.cli.model_options import (
    DeleteOptions,
    DeletePriceOptions,
    DeprecateOptions,
    HistoryOptions,
    PriceHistoryOptions,
    PromoteOptions,
    PutOptions,
    PutPriceOptions,
    RetireOptions,
    RevertOptions,
    RevertPriceOptions,
)
from switchgear.cli.models import list_models, show_model
from switchgear.cli.options import deferred
from switchgear.cli.output import show_error
from switchgear.cli.price_signing import make_key, sign_prices, verify_prices
from switchgear.cli.prices import check_prices, list_prices, show_price, show_schema
from switchgear.cli.routes import routes
from switchgear.cli.start import control, gateway, serve
from switchgear.cli.tail import tail
from switchgear.cli.top import top
from switchgear.cli.total_options import ListEndUsersOptions, ListSessionsOptions
from switchgear.cli.trace_options import (
    DeleteTracesOptions,
    ExportTracesOptions,
    ImportTracesOptions,
    SealTracesOptions,
    SearchTracesOptions,
    SegmentsOptions,
    ShowTraceOptions,
)
from switchgear.cli.version import version
from switchgear.kernel.errors import SwitchgearError

Parameters = ParamSpec("Parameters")

ABOUT = "Switchgear stands between applications and large language models. Start with: switchgear serve"


def main() -> None:
    """Run the command line: exit status 0 when it worked, 1 when it did not, 2 when it was not understood."""
    sys.exit(application()())


def application() -> typer.Typer:
    """The command line as an object; :func:`main` calls it, and so do tests and the rendering of the docs."""
    app = _group("switchgear", ABOUT)
    app.command("init")(reporting(init))
    app.command("check")(reporting(check))
    app.command("serve")(reporting(serve))
    app.command("gateway")(reporting(gateway))
    app.command("control")(reporting(control))
    app.command("routes")(reporting(routes))
    app.command("top")(reporting(top))
    app.command("tail")(reporting(tail))
    app.command("chat")(reporting(chat))
    app.command("version")(reporting(version))
    groups = (_add_key_makers, _add_identity, _add_users, _add_batches, _add_limits, _add_traces)
    for add in (*groups, _add_alerts, _add_prices, _add_models, _add_database, _add_audit, _add_ledger, _add_imports):
        add(app)
    return app


def _add_key_makers(app: typer.Typer) -> None:
    keys = _group("key", "Virtual keys: what applications present to the gateway.")
    keys.command("new")(reporting(new_key))
    app.add_typer(keys, name="key")


def _add_batches(app: typer.Typer) -> None:
    batches = _group("batch", "Batches: files of many requests, one to a line.")
    batches.command("check")(reporting(check_batch))
    answers = "switchgear.cli.batch_answers"
    batches.command("list")(reporting(deferred(ListBatchesOptions, f"{answers}:list_batches")))
    batches.command("show")(reporting(deferred(ShowBatchOptions, f"{answers}:show_batch")))
    batches.command("cancel")(reporting(deferred(CancelBatchOptions, f"{answers}:cancel_batch")))
    app.add_typer(batches, name="batch")


def _add_traces(app: typer.Typer) -> None:
    traces = _group("traces", "Traces that a running gateway keeps: its own calls, and what applications sent.")
    totals = "switchgear.cli.trace_totals"
    traces.command("sessions")(reporting(deferred(ListSessionsOptions, f"{totals}:list_sessions")))
    traces.command("end-users")(reporting(deferred(ListEndUsersOptions, f"{totals}:list_end_users")))
    traces.command("search")(reporting(deferred(SearchTracesOptions, "switchgear.cli.trace_answers:search")))
    traces.command("show")(reporting(deferred(ShowTraceOptions, "switchgear.cli.trace_answers:show")))
    traces.command("export")(reporting(deferred(ExportTracesOptions, "switchgear.cli.trace_export:export")))
    traces.command("import")(reporting(deferred(ImportTracesOptions, "switchgear.cli.trace_import:import_files")))
    traces.command("comments")(reporting(deferred(CommentOptions, "switchgear.cli.trace_comments:comments")))
    traces.command("delete")(reporting(deferred(DeleteTracesOptions, "switchgear.cli.trace_deletion:delete")))
    traces.command("seal")(reporting(deferred(SealTracesOptions, "switchgear.cli.trace_sealing:seal")))
    traces.command("segments")(reporting(deferred(SegmentsOptions, "switchgear.cli.trace_segments:segments")))
    app.add_typer(traces, name="traces")
    drift = _group("drift", "Drift: whether what users send has changed.")
    drift.command("check")(reporting(deferred(CheckDriftOptions, "switchgear.cli.drift_answers:check")))
    drift.command("list")(reporting(deferred(ListDriftOptions, "switchgear.cli.drift_answers:list_checks")))
    app.add_typer(drift, name="drift")


def _add_alerts(app: typer.Typer) -> None:
    alerts = _group("alerts", "Alerts: how they stand, what they went through, who was told.")
    answers = "switchgear.cli.alert_answers"
    alerts.command("list")(reporting(deferred(ListAlertsOptions, f"{answers}:list_alerts")))
    alerts.command("history")(reporting(deferred(AlertHistoryOptions, f"{answers}:history")))
    alerts.command("silence")(reporting(deferred(SilenceOptions, f"{answers}:silence")))
    alerts.command("test")(reporting(deferred(TryReceiverOptions, f"{answers}:try_receiver")))
    app.add_typer(alerts, name="alerts")


def _add_limits(app: typer.Typer) -> None:
    limits = _group("limits", "Limits and budgets: what is declared, and how much of it is used.")
    limits.command("list")(reporting(list_limits))
    limits.command("show")(reporting(show_limit))
    limits.command("put")(reporting(deferred(PutLimitOptions, "switchgear.cli.kept_limits:put")))
    limits.command("history")(reporting(deferred(LimitHistoryOptions, "switchgear.cli.kept_limits:history")))
    limits.command("revert")(reporting(deferred(RevertLimitOptions, "switchgear.cli.kept_limits:revert")))
    limits.command("delete")(reporting(deferred(DeleteLimitOptions, "switchgear.cli.kept_limits:delete")))
    app.add_typer(limits, name="limits")


def _add_prices(app: typer.Typer) -> None:
    prices = _group("prices", "What models cost.")
    prices.command("list")(reporting(list_prices))
    prices.command("show")(reporting(show_price))
    prices.command("check")(reporting(check_prices))
    prices.command("schema")(reporting(show_schema))
    prices.command("keygen")(reporting(make_key))
    prices.command("sign")(reporting(sign_prices))
    prices.command("verify")(reporting(verify_prices))
    _add_kept_prices(prices)
    app.add_typer(prices, name="prices")


def _add_audit(app: typer.Typer) -> None:
    audits = _group("audit", "The log of everything that was changed: a chain that nobody can change unseen.")
    audits.command("list")(reporting(deferred(AuditListOptions, "switchgear.cli.audit_answers:list_changes")))
    audits.command("verify")(reporting(deferred(AuditVerifyOptions, "switchgear.cli.audit_answers:verify_log")))
    app.add_typer(audits, name="audit")


def _add_database(app: typer.Typer) -> None:
    databases = _group("database", "The control database: keys, roles, models and the log of their changes.")
    databases.command("upgrade")(reporting(deferred(UpgradeOptions, "switchgear.cli.database:upgrade")))
    databases.command("current")(reporting(deferred(CurrentOptions, "switchgear.cli.database:current")))
    app.add_typer(databases, name="database")


def _add_ledger(app: typer.Typer) -> None:
    ledger = _group("ledger", "What every attempt cost, and for whom.")
    ledger.command("list")(reporting(deferred(ListOptions, "switchgear.cli.ledger_answers:list_rows")))
    ledger.command("statement")(reporting(deferred(StatementOptions, "switchgear.cli.ledger_answers:statement")))
    ledger.command("export")(reporting(deferred(ExportOptions, "switchgear.cli.ledger_answers:export")))
    ledger.command("reconcile")(reporting(deferred(ReconcileOptions, "switchgear.cli.ledger_proofs:reconcile")))
    ledger.command("rerate")(reporting(deferred(RerateOptions, "switchgear.cli.ledger_proofs:rerate")))
    app.add_typer(ledger, name="ledger")


def _add_imports(app: typer.Typer) -> None:
    imports = _group("import", "Configurations of other gateways, made into one of Switchgear.")
    imports.command("litellm")(reporting(litellm))
    app.add_typer(imports, name="import")


def _add_kept_prices(prices: typer.Typer) -> None:
    prices.command("put")(reporting(deferred(PutPriceOptions, "switchgear.cli.kept_prices:put")))
    prices.command("history")(reporting(deferred(PriceHistoryOptions, "switchgear.cli.kept_prices:history")))
    prices.command("revert")(reporting(deferred(RevertPriceOptions, "switchgear.cli.kept_prices:revert")))
    prices.command("delete")(reporting(deferred(DeletePriceOptions, "switchgear.cli.kept_prices:delete")))


def _add_models(app: typer.Typer) -> None:
    models = _group("models", "The registry of models: stage, owner, lineage, what they can do.")
    models.command("list")(reporting(list_models))
    models.command("show")(reporting(show_model))
    models.command("put")(reporting(deferred(PutOptions, "switchgear.cli.registry:put")))
    models.command("history")(reporting(deferred(HistoryOptions, "switchgear.cli.registry:history")))
    models.command("revert")(reporting(deferred(RevertOptions, "switchgear.cli.registry:revert")))
    models.command("promote")(reporting(deferred(PromoteOptions, "switchgear.cli.registry:promote")))
    models.command("deprecate")(reporting(deferred(DeprecateOptions, "switchgear.cli.registry:deprecate")))
    models.command("retire")(reporting(deferred(RetireOptions, "switchgear.cli.registry:retire")))
    models.command("delete")(reporting(deferred(DeleteOptions, "switchgear.cli.registry:delete")))
    app.add_typer(models, name="models")


def _add_users(app: typer.Typer) -> None:
    users = _group("users", "People who log in to the console.")
    users.command("create")(reporting(deferred(CreateUserOptions, "switchgear.cli.users:create")))
    users.command("password")(reporting(deferred(PasswordOptions, "switchgear.cli.users:password")))
    app.add_typer(users, name="users")


def _add_identity(app: typer.Typer) -> None:
    keys, secrets = "switchgear.cli.keys", "switchgear.cli.secrets"
    managed = _group("keys", "Virtual keys that the control database keeps.")
    managed.command("create")(reporting(deferred(CreateKeyOptions, f"{keys}:create")))
    managed.command("list")(reporting(deferred(ListKeysOptions, f"{keys}:list_keys")))
    managed.command("show")(reporting(deferred(ShowKeyOptions, f"{keys}:show")))
    managed.command("rotate")(reporting(deferred(RotateKeyOptions, f"{keys}:rotate")))
    managed.command("revoke")(reporting(deferred(RevokeKeyOptions, f"{keys}:revoke")))
    app.add_typer(managed, name="keys")
    sealed = _group("secrets", "Secrets of providers, sealed in the control database.")
    sealed.command("set")(reporting(deferred(SetSecretOptions, f"{secrets}:set_secret")))
    sealed.command("list")(reporting(deferred(ListSecretsOptions, f"{secrets}:list_secrets")))
    sealed.command("delete")(reporting(deferred(DeleteSecretOptions, f"{secrets}:delete_secret")))
    sealed.command("rotate-master")(reporting(deferred(RotateMasterOptions, f"{secrets}:rotate_master")))
    sealed.command("new-master-key")(reporting(new_master_key))
    app.add_typer(sealed, name="secrets")


def reporting(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """``command``, with the product's own errors told in one block on standard error, and exit status 1."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SwitchgearError as error:
            show_error(error.message)
            raise typer.Exit(1) from None

    return run


def _group(name: str, about: str) -> typer.Typer:
    return typer.Typer(
        name=name,
        help=about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        callback=_nothing,
    )


def _nothing() -> None:
    """Without a callback a group of one command would become that command."""
