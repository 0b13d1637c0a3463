"""What deploy/ holds for Prometheus, Alertmanager and Grafana names only what there is."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from scripts.docs import anchors
from scripts.reference import exposed_metrics

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"
NAME = re.compile(r"\b(?:switchgear|gen_ai)_[a-z0-9_]+")
RECORDED = re.compile(r"\bswitchgear:[a-z0-9_:]+")
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def rules() -> list[dict[str, object]]:
    told = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in told["groups"] for rule in group["rules"]]


def expressions(node: object) -> Iterator[str]:
    """Every query of a dashboard, those of its variables included."""
    if isinstance(node, dict):
        for name, value in cast("dict[str, object]", node).items():
            if name in {"expr", "query"} and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from expressions(value)


def unknown(queries: list[str]) -> set[str]:
    """Metrics that are named and not exposed."""
    exposed = exposed_metrics()
    named = {name for text in queries for name in NAME.findall(text)}
    assert named
    return {name for name in named if name not in exposed and SUFFIX.sub("", name) not in exposed}


def test_every_metric_of_the_dashboard_is_exposed() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "switchgear.json").read_text(encoding="utf-8"))
    queries = list(expressions(dashboard))
    assert len(queries) > 30
    assert unknown(queries) == set()


def test_every_metric_of_the_rules_is_exposed_and_every_recorded_series_is_recorded() -> None:
    queries = [str(rule["expr"]) for rule in rules()]
    assert unknown(queries) == set()
    recorded = {str(rule["record"]) for rule in rules() if "record" in rule}
    assert {name for text in queries for name in RECORDED.findall(text)} <= recorded
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    assert [name for name in recorded if f"`{name}`" not in page] == []


def test_every_alert_has_a_duration_a_severity_and_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    page = ROOT / "docs" / "runbooks.md"
    found = anchors(page)
    for alert in alerts:
        notes, labels = cast("dict[str, str]", alert["annotations"]), cast("dict[str, str]", alert["labels"])
        assert labels["severity"] in {"critical", "warning", "info"}
        assert alert["for"]
        assert notes["summary"]
        path, _, anchor = notes["runbook"].partition("#")
        assert (ROOT / path, anchor in found) == (page, True)
    written = set(re.findall(r"^### (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert written == {alert["alert"] for alert in alerts}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_prometheus_own_tool_has_nothing_against_the_rules(command: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *command], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed (Debian: prometheus-alertmanager)")
def test_alertmanagers_own_tool_has_nothing_against_the_example() -> None:
    command = ["amtool", "check-config", str(RULES / "alertmanager.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
