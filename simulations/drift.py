"""False alarms and power of the drift monitors, by simulation: ``make simulate`` prints what docs/drift.md quotes.

The exit status is 1 where a bar is missed.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from simulations.bars import CHECK_MILLISECONDS, FALSE_ALARMS, POWER, Bar, Shown, Spent, rows_of, status_of
from simulations.checks import SIZE, lines_of, of_checks, points_of, told
from simulations.windows import (
    Generator,
    Source,
    contaminated,
    costs,
    hours_of_calls,
    in_sessions,
    languages,
    lengths,
    share_of,
    texts,
    topics,
)
from switchgear.traces.drift.categories import categories
from switchgear.traces.drift.discoveries import Control, adjusted
from switchgear.traces.drift.embedded import mean_distance, mmd
from switchgear.traces.drift.page_hinkley import page_hinkley
from switchgear.traces.drift.psi import psi
from switchgear.traces.drift.result import Plan, Result

SEED: Final = 20_260
CONTAMINATIONS: Final = (0.03, 0.06, 0.12, 0.25)
BOTH: Final = (("mean distance", mean_distance), ("MMD", mmd))
CUSTOMARY_PSI: Final = 0.1
WHOLE: Final = (0.12, 0.25)
EACH_SESSION: Final = 5
RATES: Final = (
    ("0.5 %, 100", 0.005, 100, 0.0),
    ("2 %, 25", 0.02, 25, 0.0),
    ("2 %, 100", 0.02, 100, 0.0),
    ("10 %, 25", 0.1, 25, 0.0),
    ("2 %, 100, in weak bursts", 0.02, 100, 0.01),
    ("2 %, 100, in strong bursts", 0.02, 100, 0.1),
)
"""What they are called, the rate, calls an hour, and how alike those of one hour are."""
Check = Callable[[Generator, Plan], Result]


def alarms(check: Check, runs: int, seed: int = SEED, permutations: int = 999) -> Shown:
    """Make a check ``runs`` times on fresh windows; times are of the processor, all threads together."""
    verdicts: list[bool] = []
    spent = 0.0
    for run in range(runs):
        chance = np.random.default_rng([seed, run])
        before = time.process_time()
        verdicts.append(check(chance, Plan(seed=seed + run, least=10, permutations=permutations)).verdict == "drift")
        spent += time.process_time() - before
    return Shown(alarms=share_of(verdicts), runs=runs, milliseconds=1000 * spent / runs)


def embeddings(
    test: Callable[..., Result], usual: Source, strange: Source, share: float, sizes: tuple[int, int]
) -> Check:
    """A check of a window against one in which a share of the inputs comes from elsewhere."""
    current = contaminated(usual, strange, share)

    def check(chance: Generator, plan: Plan) -> Result:
        pooled = usual(chance, sizes[0]), current(chance, sizes[1])
        return test(*pooled, plan)

    return check


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def percent(cell: object) -> float:
    """Of a table's cell."""
    assert isinstance(cell, Shown)
    return cell.percent


def at_most(cell: object) -> float:
    """Milliseconds, of a table's cell."""
    assert isinstance(cell, Spent)
    return cell.milliseconds


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[Sequence[object]]:
    """A Markdown table, row by row as they come; the rows."""
    told: list[Sequence[object]] = []
    say(f"\n{title}\n")
    say(f"| {' | '.join(heads)} |")
    say("|---" * len(heads) + "|")
    for row in rows:
        say(f"| {' | '.join(str(cell).strip() for cell in row)} |")
        told.append(row)
    return told


def of_embeddings(usual: Source, strange: Source, runs: int) -> Iterable[Sequence[object]]:
    for sizes, share_of_runs in (((500, 500), 1), ((500, 200), 3), ((1000, 1000), 6)):
        for name, test in BOTH:
            made = runs // share_of_runs
            still = alarms(embeddings(test, usual, strange, 0.0, sizes), made)
            moved = [alarms(embeddings(test, usual, strange, share, sizes), made // 2) for share in CONTAMINATIONS]
            slowest = max(shown.milliseconds for shown in (still, *moved))
            yield name, f"{sizes[0]} v {sizes[1]}", still, *moved, f"{still.milliseconds:.0f}-{slowest:.0f} ms"


def of_measures(runs: int) -> Iterable[Sequence[object]]:
    numbers = (("length", lengths, 1.25), ("cost", costs, 1.5))
    for sizes in ((500, 500), (100, 100), (2000, 300)):
        for name, drawn, change in numbers:
            tests = [_numbers(name, drawn, sizes, by) for by in (1.0, change)]
            still, moved = (alarms(test, runs) for test in tests)
            naive = share_of([_customary(tests[0], run) for run in range(runs // 3)])
            yield name, f"{sizes[0]} v {sizes[1]}", still, f"{100 * naive:.1f} %", f"x {change}: {moved}"
        still, moved = (alarms(_languages(sizes, share), runs) for share in (0.0, 0.1))
        yield "language", f"{sizes[0]} v {sizes[1]}", still, "", f"10 % turn: {moved}"


def _numbers(name: str, drawn: Callable[..., list[float]], sizes: tuple[int, int], by: float) -> Check:
    return lambda chance, plan: psi(name, drawn(chance, sizes[0]), drawn(chance, sizes[1], by), plan)


def _languages(sizes: tuple[int, int], share: float) -> Check:
    return lambda chance, plan: categories(
        "language", languages(chance, sizes[0]), languages(chance, sizes[1], share), plan
    )


def _customary(check: Check, run: int) -> bool:
    return check(np.random.default_rng([SEED + 1, run]), Plan(least=10, permutations=1)).statistic > CUSTOMARY_PSI


def of_sessions(usual: Source, runs: int) -> Iterable[Sequence[object]]:
    """Sessions of five inputs that resemble each other: all of them taken, and one of each."""
    for name, test in BOTH:
        yield (
            name,
            alarms(_sessions(test, usual, 100, 1), runs),
            alarms(_sessions(test, usual, 500, EACH_SESSION), runs),
        )


def _sessions(test: Callable[..., Result], usual: Source, sessions: int, every: int) -> Check:
    def check(chance: Generator, plan: Plan) -> Result:
        windows = [in_sessions(usual, chance, sessions, EACH_SESSION)[::every] for _ in range(2)]
        return test(windows[0], windows[1], plan)

    return check


def of_discoveries(runs: int, tests: int = 120) -> Iterable[Sequence[object]]:
    """P-values in pairs that lean the same way (as mean distance and MMD do), some of them of true changes."""
    controls: tuple[Control, ...] = ("benjamini_hochberg", "benjamini_yekutieli")
    for true_count in (0, 2, 12):
        for control in controls:
            false_shares: list[float] = []
            found: list[float] = []
            for run in range(runs):
                values, is_true = p_values(np.random.default_rng([SEED, run]), tests, true_count)
                told = np.asarray(adjusted(values, control)) <= 0.05
                false_shares.append(float((told & ~is_true).sum() / max(told.sum(), 1)))
                found.append(float((told & is_true).sum() / max(true_count, 1)))
            single = f"{tests * 0.05:.0f}" if not true_count else ""
            yield true_count, control, f"{100 * np.mean(false_shares):.1f} %", f"{100 * np.mean(found):.0f} %", single


def p_values(chance: Generator, tests: int, true_count: int) -> tuple[list[float], np.ndarray]:
    """One-sided p-values of normal scores: neighbours correlate by 0.8, changes are 4 standard deviations."""
    shared = np.repeat(chance.standard_normal(tests // 2), 2)
    scores = math.sqrt(0.8) * shared + math.sqrt(0.2) * chance.standard_normal(tests)
    is_true = np.arange(tests) < true_count
    scores = scores + 4.0 * is_true
    return [0.5 * math.erfc(float(score) / math.sqrt(2)) for score in scores], is_true


def of_rates(runs: int) -> Iterable[Sequence[object]]:
    """A week of hours and a day behind it: nothing changed, traffic trebled, and the rate up for a day or its end."""
    for name, rate, calls, burst in RATES:
        kinds = [(calls, 1.0, 24), (3 * calls, 1.0, 24), (calls, 1.5, 24), (calls, 2.0, 24), (calls, 3.0, 6)]
        yield name, *(alarms(rising((rate, burst), (calls, now), by, hours), runs) for now, by, hours in kinds)


def rising(rate: tuple[float, float], calls: tuple[int, int], by: float, hours: int) -> Check:
    """A check of a rate (and how bursty it is), of so many calls an hour, which grows in the last ``hours``."""
    (usual, burst), (before, now) = rate, calls

    def check(chance: Generator, plan: Plan) -> Result:
        reference = hours_of_calls(chance, 7 * 24, before, usual, burst)
        current = hours_of_calls(chance, 24 - hours, now, usual, burst)
        risen = hours_of_calls(chance, hours, now, usual * by, burst)
        return page_hinkley("errors", reference, [*current, *risen], plan)

    return check


def of_costs(paths: Sequence[Path] | None) -> Iterable[Sequence[object]]:
    if paths:
        return of_checks(*map(lines_of, paths), with_texts=True)
    return of_checks(points_of(topics(1)), points_of(topics(2, middle=1)), with_texts=False)


def of_whole_checks(runs: int) -> Iterable[Sequence[object]]:
    usual, strange = topics(1), topics(2, middle=1)
    shares = [
        share_of(told(points_of(usual), points_of(contaminated(usual, strange, by)), runs)) for by in (0.0, *WHOLE)
    ]
    yield "all", *(Shown(alarms=share, runs=runs, milliseconds=0.0) for share in shares)


def of_all(paths: Sequence[Path] | None, runs: int) -> Iterator[Bar]:
    """Everything, table by table; the bars that these say something of."""
    usual, strange = (texts(path) for path in paths) if paths else (topics(1), topics(2, middle=1))
    heads = ("windows", "embeddings by", "least", "median", "most")
    for name, by, _, _, most in table(f"CPU of one check, {SIZE} v {SIZE}, all monitors", heads, of_costs(paths)):
        yield Bar(f"CPU of one check: {name}{', ' if by else ''}{by}", CHECK_MILLISECONDS, at_most(most), "ms")
    heads = ("test", "windows", "no change", *(f"{100 * share:.0f} % strange" for share in CONTAMINATIONS), "CPU")
    for name, windows, still, *_, moved, _ in table("Embeddings", heads, of_embeddings(usual, strange, runs)):
        if windows == f"{SIZE} v {SIZE}":
            yield Bar(f"false alarms of {name}", FALSE_ALARMS, percent(still))
            yield Bar(f"power of {name}", POWER, percent(moved))
    if not paths:
        yield from of_made_up(usual, runs)


def of_made_up(usual: Source, runs: int) -> Iterator[Bar]:
    """The tables that no texts are needed for."""
    heads = ("judged", "no change", *(f"{100 * share:.0f} % of inputs strange" for share in WHOLE))
    whole = "Whole checks that tell drift, all monitors judged together"
    for _, still, *_, moved in table(whole, heads, of_whole_checks(runs // 2)):
        yield Bar("false alarms of whole checks", FALSE_ALARMS, percent(still))
        yield Bar("power of whole checks", POWER, percent(moved))
    heads = ("monitor", "windows", "no change", f"PSI > {CUSTOMARY_PSI} instead", "changed")
    for name, windows, still, *_ in table("Measures", heads, of_measures(runs)):
        yield Bar(f"false alarms of {name}, {windows}", FALSE_ALARMS, percent(still))
    heads = ("test", "all five inputs of 100 sessions", "one input of 500 sessions")
    table("Sessions", heads, of_sessions(usual, runs // 4))
    heads = ("true changes", "control", "false among those told", "true ones found", "alarms without control")
    table("False discoveries among 120 tests", heads, of_discoveries(runs * 2))
    yield from bars_of_rates(runs)


def bars_of_rates(runs: int) -> Iterator[Bar]:
    heads = ("rate, calls an hour", "no change", "traffic x 3", "x 1.5 for a day", "x 2 for a day", "x 3 for 6 hours")
    for name, still, more, *_ in table("Page-Hinkley", heads, of_rates(runs)):
        in_bursts = "bursts" in str(name)
        yield Bar(f"false alarms of rates: {name}", FALSE_ALARMS, percent(still), is_limit=in_bursts)
        # Of traffic that grew, only too many alarms are a fault.
        wanted = (0.0, FALSE_ALARMS[1])
        yield Bar(f"false alarms of rates: {name}, traffic x 3", wanted, percent(more), is_limit=in_bursts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulations.drift", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few runs: to see that it works, not to quote; bars do not decide"
    )
    parser.add_argument("--texts", nargs=2, type=Path, metavar=("USUAL", "STRANGE"), help="files with an input a line")
    options = parser.parse_args()
    runs = 60 if options.quick else 600
    say(f"seed {SEED}, numpy {np.__version__}, {runs} runs at most")
    bars = list(of_all(options.texts, runs))
    table("Bars", ("bar", "wanted", "found", "verdict"), rows_of(bars))
    return 0 if options.quick else status_of(bars)


if __name__ == "__main__":
    sys.exit(main())
