"""`python -m bench.run`: measure the gateway beside nginx (and its peers) on this machine, and print what was found.

The rounds are interleaved: every subject is started, measured and stopped before the next one, round after round, so
that a slow minute of the machine hits all of them. Ratios are formed inside a round and their median is reported.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from typing import TypeVar

import msgspec

from bench.findings import Findings
from bench.machine import allow_open_files, conditions, plan_cores
from bench.peers import PEERS
from bench.programs import HERE, Mock, compile_programs
from bench.report import CALIBRATION, whole_report
from bench.scenarios import measure_import, measure_memory, measure_rates, measure_saturation, measure_streams
from bench.selfcheck import complaints
from bench.stand import QUICK, Direct, Effort, Stand, UnderTest
from bench.steadiness import steadiness
from bench.subjects import Minimal, Nginx, Subject, Switchgear, Unavailable

OPEN_FILES = 16_384
SCENARIOS = ("saturation", "rates", "streams", "memory", "start")
GATEWAY_MODULE = "switchgear.processes.gateway"

Record = TypeVar("Record")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Run:
    """One run over the chosen subjects; the findings grow with every scenario."""

    def __init__(self, stand: Stand, subjects: list[Subject], findings: Findings) -> None:
        self._stand = stand
        self._subjects = subjects
        self._findings = findings

    def saturation(self) -> None:
        self._interleave("saturation", self._findings.saturation, measure_saturation)

    def rates(self) -> None:
        self._interleave("rates", self._findings.rates, measure_rates)

    def streams(self) -> None:
        self._interleave("streams", self._findings.streams, measure_streams)

    def memory(self) -> None:
        for subject in self._subjects:
            self._measure("memory", subject, self._findings.memory, measure_memory)

    def start(self) -> None:
        """Every other scenario starts its subjects too, and those starts count as well."""
        for _ in range(self._stand.effort.rounds):
            for subject in self._subjects:
                self._measure("start", subject, {}, lambda _stand, _subject: None)
        self._findings.import_seconds = measure_import(self._stand, GATEWAY_MODULE)
        if self._findings.import_seconds is None:
            self._findings.broken["import time"] = f"`import {GATEWAY_MODULE}` fails"

    def _interleave(
        self, scenario: str, into: dict[str, list[Record]], measure: Callable[[Stand, UnderTest], Record]
    ) -> None:
        for _ in range(self._stand.effort.rounds):
            direct = measure(self._stand, Direct(self._stand.mock.port))
            into.setdefault(CALIBRATION, []).append(direct)
            for subject in self._subjects:
                self._measure(scenario, subject, into, measure)

    def _measure(
        self,
        scenario: str,
        subject: Subject,
        into: dict[str, list[Record]],
        measure: Callable[[Stand, UnderTest], Record],
    ) -> None:
        """Measure one subject once; one that cannot start, or dies under the load, is reported by name."""
        if subject.name in self._findings.unavailable or subject.name in self._findings.broken:
            return
        started = time.perf_counter()
        try:
            with self._stand.running(subject) as running:
                into.setdefault(subject.name, []).append(measure(self._stand, running))
        except Unavailable as reason:
            self._findings.unavailable[subject.name] = str(reason)
        except (CalledProcessError, OSError) as failure:
            self._findings.broken[subject.name] = f"in {scenario}: {failure!r}"
        say(f"  {scenario}: {subject.name} ({time.perf_counter() - started:.1f} s)")


def chosen_subjects(names: str | None, *, with_peers: bool) -> list[Subject]:
    """The subjects by name; without names: nginx and the gateway, and the peers when they are wanted."""
    known: list[Subject] = [Nginx(), Switchgear(), Minimal(), *PEERS]
    if names is None:
        return [Nginx(), Switchgear(), *(PEERS if with_peers else ())]
    wanted = names.split(",")
    unknown = set(wanted) - {subject.name for subject in known}
    if unknown:
        raise SystemExit(f"unknown subject {sorted(unknown)}; there are {[subject.name for subject in known]}")
    return [subject for subject in known if subject.name in wanted]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.run", description="Measure the gateway beside nginx and its peers."
    )
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works, not to quote")
    parser.add_argument(
        "--peers", action="store_true", help="measure the peers too; installs them into the cache folder"
    )
    parser.add_argument("--subjects", help="names, joined by commas, instead of nginx and switchgear")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, help="rounds of each scenario; the medians are reported")
    parser.add_argument("--seconds", type=float, help="seconds of each measurement")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache", help="where peers are kept between runs")
    parser.add_argument("--selfcheck", action="store_true", help="prove the harness itself on a mock, in seconds")
    return parser.parse_args()


def effort_of(options: argparse.Namespace) -> Effort:
    base = QUICK if options.quick else Effort()
    return Effort(
        rounds=options.rounds or base.rounds,
        seconds=options.seconds or base.seconds,
        warmup_seconds=base.warmup_seconds,
        rates=base.rates,
        open_streams=base.open_streams,
    )


def write_results(findings: Findings) -> Path:
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime())
    path.write_bytes(msgspec.json.format(msgspec.json.encode(findings), indent=2))
    return path


def main() -> int:
    options = arguments()
    allow_open_files(OPEN_FILES)
    compile_programs()
    plan, effort = plan_cores(), effort_of(options)
    if options.selfcheck:
        found = complaints(plan)
        say("\n".join(found) or "the harness works")
        return 1 if found else 0
    subjects = chosen_subjects(options.subjects, with_peers=options.peers)
    measured = {**conditions(plan), "steadiness": steadiness(plan.subject)}
    findings = Findings(conditions=measured, effort=msgspec.to_builtins(effort))
    say(f"measuring {', '.join(subject.name for subject in subjects)}: {effort.rounds} rounds of {effort.seconds:g} s")
    with Mock(plan) as mock, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        stand = Stand(plan, effort, mock, options.cache / "switchgear-bench", Path(folder))
        run = Run(stand, subjects, findings)
        scenarios = {
            "saturation": run.saturation,
            "rates": run.rates,
            "streams": run.streams,
            "memory": run.memory,
            "start": run.start,
        }
        for name in options.scenarios.split(","):
            scenarios[name]()
        findings.first_answer_seconds = stand.starts
    say("\n" + whole_report(findings))
    say(f"\nwritten to {write_results(findings)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
