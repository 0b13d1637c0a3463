"""Both forms of the exposition, as the parsers of others read them."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import cast

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as plain

from scripts.reference import exposed_metrics
from switchgear.routing.report import DeploymentReport, FleetReport, Word
from switchgear.traces.families import as_openmetrics, wanted_form
from switchgear.traces.gauges import exposition
from switchgear.traces.meter import Meter
from tests.traces.samples import attempt, record


def openmetrics(text: str) -> Iterable[Metric]:
    """The families that OpenMetrics' strict parser finds."""
    return cast("Iterable[Metric]", vars(parser)["text_string_to_metric_families"](text))


def meter() -> Meter:
    """One that has counted calls of several kinds."""
    counted = Meter()
    counted.count(record(1, stream=True, attempts=[attempt(first_token_ns=9)]))
    counted.count(record(2, status=429, outcome="refused", error="rate_limit_exceeded: no", model='a"b\\c\nd'))
    counted.count(record(3, findings=("limit everybody: blocked",)))
    told = FleetReport(gateway="g0", deployments=(DeploymentReport(name="a/m"),))
    counted.show(lambda: exposition(Word(reports=(told,))))
    return counted


def test_openmetrics_says_the_same_as_the_text_format() -> None:
    counted = meter()
    told = as_openmetrics(counted.render("openmetrics"))
    one = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in openmetrics(told) for s in f.samples}
    other = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in plain(counted.render()) for s in f.samples}
    assert len(one) > 200
    assert one == other


def test_exemplars_name_the_last_call_of_a_bucket() -> None:
    told = as_openmetrics(meter().render("openmetrics"))
    found = {
        sample.exemplar.labels["trace_id"]
        for family in openmetrics(told)
        if family.name == "switchgear_call_duration_seconds"
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert found == {f"{number:032x}" for number in (2, 3)}
    assert " # {" not in meter().render()


def test_a_scraper_that_names_openmetrics_gets_it_and_any_other_gets_text() -> None:
    assert wanted_form("application/openmetrics-text;version=1.0.0,text/plain;q=0.5") == "openmetrics"
    assert wanted_form("text/plain;version=0.0.4") == "text"
    assert wanted_form("*/*") == "text"


def test_every_metric_says_what_it_is_in_one_line() -> None:
    heads = re.findall(r"^# HELP (\S+) (.*)$", meter().render(), re.MULTILINE)
    assert {name for name, _ in heads} <= exposed_metrics()
    assert len(heads) == len({name for name, _ in heads})
    assert [about for _, about in heads if not about.endswith(".") or '"' in about or "\\" in about] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_own_tool_has_nothing_against_the_exposition() -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=meter().render(), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
