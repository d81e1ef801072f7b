"""Verdicts that say what they cover, budgets that are too short, and the demo."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.evidence.field_cases.case import Case, Desk, Done, NotAsExpected
from tests.support.language_models import language_model
from tests.support.models import matmul_model
from tests.support.odd_outputs import NEVER, places_model, random_model

ROOT = Path(__file__).parents[3]
SHORTEST = re.compile(r"budget +(\S+) s is too short: .*: --budget (\d+)(s|m)$", re.MULTILINE)

# A worker that can't compile the LATENCY hint and is the real one otherwise.
FRAIL_WORKER = """
from autotp.measuring.child import worker
compile_plan = worker.compile_plan

def frail(plan):
    if plan.properties.get("PERFORMANCE_HINT") == "LATENCY":
        raise RuntimeError("there is no latency today")
    return compile_plan(plan)

def main(request_end, reply_end):
    worker.compile_plan = frail
    worker.main(request_end, reply_end)
"""
FRAIL_AUTOTP = """
import runpy
from autotp.measuring.parent import pool
pool.ENTRY = "frail_worker"
runpy.run_module("autotp", run_name="__main__", alter_sys=True)
"""


def replay_a_failing_hint(desk: Desk) -> str:
    """Tune where the LATENCY hint can't be compiled; the verdict has to say so."""
    matmul_model(desk.folder)
    (desk.folder / "frail_worker.py").write_text(FRAIL_WORKER)
    arguments = ("tune", "model.xml", "--budget", "8s", "--out", "out")
    path = {"PYTHONPATH": f"{desk.folder}:{ROOT}"}
    done = desk.run([sys.executable, "-c", FRAIL_AUTOTP, *arguments], path)
    done.ended_with(0, 3).says("the best of OpenVINO's hints that could be measured", "no latency today")
    shown = desk.autotp("show", "out/tuned.yaml").ended_with(0)
    shown.says("Not measured: performance_hint=latency", "no latency today")
    (lost,) = _result(desk)["unmeasured"]
    return f"{_quoted(done, 'the best of')} tuned.yaml has {lost['config']} as unmeasured"


def replay_random_outputs(desk: Desk) -> str:
    """Tune and compare a model one of whose outputs is random."""
    random_model(desk.folder)
    desk.autotp("tune", "random.xml", "--budget", "8s", "--out", "out").ended_with(0, 3).says(
        "output drawn isn't checked: it differs from run to run",
        "utputs checked except that drawn differs from run to run",
    )
    desk.autotp("show", "out/tuned.yaml").ended_with(0).says("output drawn not checked")
    outputs = _result(desk)["outputs"]
    if (outputs["checked"], list(outputs["unchecked"])) != (["steady"], ["drawn"]):
        raise NotAsExpected(f"tuned.yaml holds {outputs}")
    sides = ("hint:THROUGHPUT", "hint:LATENCY", "--model", "random.xml", "--budget", "2s")
    desk.autotp("compare", *sides).ended_with(0, 1, 3).says("output drawn wasn't checked")
    return "`steady` is checked, `drawn` isn't, and tune, tuned.yaml, show and compare say so"


def replay_empty_outputs(desk: Desk) -> str:
    """Tune a model whose only output is empty."""
    places_model(desk.folder, threshold=NEVER)
    done = desk.autotp("tune", "places.xml", "--budget", "8s", "--out", "out").ended_with(0, 3)
    done.says("utputs not checked (places is empty for these inputs)")
    if "outputs checked" in done.stdout:
        raise NotAsExpected(f"it says that outputs were checked: {done.stdout[-300:]}")
    return "outputs not checked (places is empty for these inputs)"


def replay_sizes_that_depend_on_precision(desk: Desk) -> str:
    """Tune a model that counts what is above a threshold, as detectors do."""
    places_model(desk.folder)
    done = desk.autotp("tune", "places.xml", "--budget", "20s", "--out", "out").ended_with(0, 3)
    if "WRONG_OUTPUT" in done.stdout:
        raise NotAsExpected(f"an arm was rejected: {done.stdout[-600:]}")
    unchecked = _result(desk)["outputs"].get("unchecked", {})
    return f"no arm is rejected for what the hints do, too; not checked: {unchecked or 'nothing'}"


def replay_a_short_budget(desk: Desk) -> str:
    """Tune a tiny model in 5 s, then in the time that it says would do."""
    matmul_model(desk.folder)
    return _with_the_shortest(desk, "model.xml", "5s")


def replay_a_short_budget_of_a_language_model(desk: Desk) -> str:
    """Tune the first token of a small language model in 5 s, then in the time that it says would do."""
    language_model(desk.folder / "toy")
    return _with_the_shortest(desk, "toy", "5s", "--objective", "first_token_latency")


def replay_a_short_comparison(desk: Desk) -> str:
    """Compare the hints in 1 s."""
    matmul_model(desk.folder)
    sides = ("hint:THROUGHPUT", "hint:LATENCY", "--model", "model.xml", "--budget", "1s")
    done = desk.autotp("compare", *sides).ended_with(3).says("1 s are too short for a verdict here: give at least")
    return _quoted(done, "too short for a verdict")


def replay_the_demo(desk: Desk) -> str:
    """Run the demo; a WIN has to name its cause, and anything else has to be told as it is."""
    done = desk.autotp("demo").ended_with(0)
    result = _result(desk, "results/demo")
    if result["verdict"] == "win" and not re.search(r"^ {5}\w+: .+\.$", done.stdout, re.MULTILINE):
        raise NotAsExpected(f"the WIN names no cause: {done.stdout[-500:]}")
    return " ".join(done.stdout.split("\n\n")[-1].split())


def _with_the_shortest(desk: Desk, model: str, budget: str, *options: str) -> str:
    done = desk.autotp("tune", model, "--budget", budget, "--out", "out", *options).ended_with(3)
    found = SHORTEST.search(done.stderr)
    if not found:
        raise NotAsExpected(f"no budget is named that would do: {done.stderr[-300:]}")
    _, figure, unit = found.groups()
    seconds = float(figure) * (60 if unit == "m" else 1)
    again = desk.autotp("tune", model, "--budget", f"{seconds:g}s", "--fresh", "--out", "out", *options)
    verdict = _result(desk)["verdict"]
    again.ended_with(0)
    return (
        f"{budget} is said to be too short and {seconds:g} s to do; with them the verdict is a {verdict.upper()}"
    )


def _result(desk: Desk, out: str = "out") -> dict[str, Any]:
    """Return `result` of the tuned.yaml in `out`."""
    shown = desk.autotp("show", f"{out}/tuned.yaml", "--json").ended_with(0)
    result: dict[str, Any] = json.loads(shown.stdout)["tuned"]["profiles"][0]["result"]
    return result


def _quoted(done: Done, words: str) -> str:
    """Return the line of the output that holds `words`."""
    return next(line.strip() for line in (done.stdout + done.stderr).splitlines() if words in line)


CASES = (
    Case(
        number="19a",
        title="a hint fails while another runs",
        before='the hint was skipped, and the verdict still said "OpenVINO\'s best hint"',
        test="tests/deploy/test_headline.py::test_hints_that_failed_are_named",
        replay=replay_a_failing_hint,
        minutes=0.2,
    ),
    Case(
        number="19b",
        title="outputs that draw random numbers",
        before="outputs checked, with a largest error of 0.98",
        test="tests/measuring/jobs/test_preparation.py::"
        "test_a_reference_that_does_not_repeat_itself_is_not_compared",
        replay=replay_random_outputs,
        minutes=0.3,
    ),
    Case(
        number="19c",
        title="outputs that are empty",
        before="outputs checked, with no error",
        test="tests/measuring/outputs/test_error.py::test_what_is_empty_is_not_said_to_be_compared",
        replay=replay_empty_outputs,
        minutes=0.2,
    ),
    Case(
        number="19d",
        title="a count of detections that differs between precisions",
        before="every arm in the hints' own precision was WRONG_OUTPUT: another shape than the reference's",
        test="tests/measuring/outputs/test_gate.py::test_the_hints_are_the_measure_of_sizes",
        replay=replay_sizes_that_depend_on_precision,
        minutes=0.4,
    ),
    Case(
        number="21a",
        title="a budget that is too short for a model of 0.1 ms",
        before="UNKNOWN: a verdict needs 6 processes and the budget held 3: give a longer one",
        test="tests/tuning/test_deadlines.py::test_the_shortest_budget_that_is_named_will_do",
        replay=replay_a_short_budget,
        minutes=0.7,
    ),
    Case(
        number="21b",
        title="a budget that is too short for the first token",
        before="UNKNOWN after 4 minutes, without a word at the start",
        test="tests/tuning/test_deadlines.py::test_the_shortest_budget_that_is_named_will_do",
        replay=replay_a_short_budget_of_a_language_model,
        minutes=0.7,
    ),
    Case(
        number="21c",
        title="a comparison whose budget is too short",
        before="UNKNOWN: give a longer one",
        test="tests/measuring/compare/test_comparison.py::test_a_real_comparison_looks_at_the_outputs_of_both",
        replay=replay_a_short_comparison,
    ),
    Case(
        number="22",
        title="the demo of the README's first line",
        before="a TIE at a noise floor of 6 %",
        test="tests/cli/test_demo.py::test_a_win_says_what_its_settings_gain",
        replay=replay_the_demo,
        minutes=1.1,
    ),
)
