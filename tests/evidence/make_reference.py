"""Make the outcomes in `results/reference/` that back the README's figures; takes about seven hours.

    python -m tests.evidence.make_reference [NAME ...]

Each step runs a command of the project, alone on the machine, and keeps what it printed or wrote:

    rec, cls       `autotp tune` on the OCR recogniser and classifier for two minutes (`transcript.txt`,
                   `tuned.yaml`), then the plain-OpenVINO judge over an exhaustive grid (`race.json`)
    benchmark_app  `autotp measure` against benchmark_app
    startup        import, help and load overheads, the last with the recogniser's tuned.yaml
    commands       what commands that only look at files take, in units of importing NumPy
    demo           `autotp demo`, as the README shows it
    demo_wins      how often the demo ends in a WIN: on two cores, on one, under a quota
    field_cases    faults that people in this field have met, replayed
    quota          `autotp tune` under a CPU quota, and plain OpenVINO's judgement of what it ships
    knobs          which settings have an effect that OpenVINO reports in no property
    effective      predicted effective configs against OpenVINO on pretended machines
    merging        how long a space of a million configs takes to bind and merge
    rounds         real rounds of arms that don't differ, the noise of what follows
    tables         every config of a space, measured on real models (the last needs the extra `genai`)
    recorded_tables  whole tunings beside their rivals on those tables, with their noise and costs
    large          a language model of 1.5 billion random weights, tuned in the budget that autotp names (`genai`)
    live_runs      what tunings ship, beside the best hint and each table's best
    landscape      how the search scales, on a generated landscape (an analytic model)
    proposing      what proposing costs as a study grows to a thousand trials
    public_tables  our proposer beside its rivals on public tables (they lie in ../shared/tables)
    races          thousands of whole tunings simulated on those rounds: false wins, power, coverage
    real_races     a hint against itself, forty times
    storms         arms that differ by 10 % beside a CPU hog that comes and goes
    faults         a tuning whose workers misbehave in every phase
    outputs        wrong outputs, which can't win
    overhead       where the time of a tuning goes
    split          SmolLM2 split in every way generates the same (this and what follows needs the extra `genai`)
    second, first  `autotp tune` on SmolLM2 for five minutes, by second-token and by first-token latency
    paged          the former with paged attention, as OpenVINO GenAI has it
    genai_second   what `second` ships, and the hint, against plain OpenVINO GenAI
    genai_paged    the same of `paged`
    two_sockets    the walk-through for two sockets on a pretended machine of two sockets with a core each
"""

import argparse
import json
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from tests.evidence.count_demo_wins import PLACES
from tests.evidence.record_table import RECORDINGS
from tests.support.real_models import language_model, real_model

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
TUNED = Path("results") / "reference" / "rec" / "tuned.yaml"
PUBLIC_TABLES = Path("..") / "shared" / "tables"
RECORDED_TABLES = Path("results") / "reference" / "tables"
OUTPUT_KEPT = 2000  # characters of a script that ended without an outcome
BUDGET_S = 120
RECORDED = ("rec", "cls", "demo")


def run(arguments: Sequence[str | Path]) -> tuple[str, int, float]:
    """Run a Python module or script and return what it printed, its exit code and its seconds."""
    started = monotonic()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout, done.returncode, monotonic() - started


def describe(command: str, seconds: float, code: int) -> dict[str, object]:
    """Return the facts that every outcome is kept with."""
    facts = json.loads(run(["-m", "autotp", "probe", "--json"])[0])
    return {
        "command": command,
        "exit_code": code,
        "seconds": round(seconds, 1),
        "cpu": facts["cpu"]["brand"],
        "cores": facts["cores"],
        "isa": facts["cpu"]["isa"],
        "python": platform.python_version(),
        "autotp": version("autotp"),
        "openvino": version("openvino"),
        "optuna": version("optuna"),
    }


def keep(folder: Path, facts: dict[str, object]) -> None:
    """Write `facts` into `folder`."""
    (folder / "run.json").write_text(json.dumps(facts, indent=2) + "\n")


def tune(name: str, path: Path, *flags: str) -> tuple[int, float]:
    """Tune the model at `path` and keep what was printed and written; return the exit code and the seconds."""
    folder = REFERENCE / name
    shutil.rmtree(folder, ignore_errors=True)
    out = folder.relative_to(ROOT)
    transcript, code, seconds = run(["-m", "autotp", "tune", path.relative_to(ROOT), *flags, "--out", out])
    command = shlex.join(["autotp", "tune", path.name, *flags])
    (folder / "transcript.txt").write_text(f"$ {command}\n{transcript}")
    keep(folder, describe(command, seconds, code))
    print(transcript, f"{seconds:.0f} s", sep="", flush=True)
    (folder / "study.db").unlink(missing_ok=True)
    return code, seconds


def tune_and_judge(name: str) -> bool:
    """Tune a real model for two minutes, then let the judge race an exhaustive grid against the result."""
    model, folder = real_model(name), REFERENCE / name
    shape = ("--shape", model.shape_flag)
    code, seconds = tune(name, model.path, *shape, "--objective", "throughput", "--budget", "2m")
    judge = ("tests/evidence/race_grid.py", model.path.relative_to(ROOT), *shape)
    verdict, judged, _ = run([*judge, "--tuned", folder / "tuned.yaml", "--out", folder / "race.json"])
    print(verdict, flush=True)
    return code == 0 and judged == 0 and seconds <= BUDGET_S * 1.2


def tune_language_model(name: str, token: str, *asked: str) -> bool:
    """Tune SmolLM2 for five minutes by the latency of its first `token`, or of those after it."""
    flags = ["--objective", f"{token}_token_latency", *asked, "--budget", "5m"]
    code, seconds = tune(f"smollm2_{name}", language_model(), *flags)
    return code == 0 and seconds <= 300 * 1.2


def check_in_genai(name: str, turns: int) -> bool:
    """Hold what was tuned, and the hint, against plain OpenVINO GenAI; a small gain takes more turns to see."""
    tuned = Path("results") / "reference" / f"smollm2_{name}" / "tuned.yaml"
    return keep_outcome("compare_genai", "--tuned", tuned, "--turns", str(turns), out=f"genai_{name}")


def demo() -> bool:
    """Run the demo in an empty folder and keep what it printed and wrote."""
    folder = REFERENCE / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:
        started = monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "autotp", "demo"],
            cwd=empty,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seconds = monotonic() - started
        shutil.copy(Path(empty) / "results" / "demo" / "tuned.yaml", folder)
    (folder / "transcript.txt").write_text(f"$ autotp demo\n{done.stdout}")
    keep(folder, describe("autotp demo", seconds, done.returncode))
    print(done.stdout, flush=True)
    return done.returncode == 0


def count_demo_wins() -> bool:
    """Count how often the demo wins, in each place."""
    reached = [keep_outcome("count_demo_wins", "--where", place, out=f"demo_wins_{place}") for place in PLACES]
    return all(reached)


def record_rounds() -> bool:
    """Record the noise of three models."""
    folder = Path("results") / "reference" / "rounds"
    (ROOT / folder).mkdir(exist_ok=True)
    commands, codes, started = [], [], monotonic()
    for model in RECORDED:
        arguments = ["-m", "tests.evidence.record_rounds", model, "--out", str(folder / f"{model}.npz")]
        text, code, _ = run(arguments)
        print(text, flush=True)
        commands.append(" ".join(["python", *arguments]))
        codes.append(code)
    keep(ROOT / folder, describe("; ".join(commands), monotonic() - started, max(codes, key=abs)))
    return not any(codes)


def record_tables() -> bool:
    """Record a table of each model."""
    reached = [keep_outcome("record_table", name, out=f"tables/{name}") for name in RECORDINGS]
    return all(reached)


def simulate_races() -> bool:
    """Simulate whole tunings on what was recorded."""
    recordings = [Path("results/reference/rounds") / f"{model}.npz" for model in RECORDED]
    return keep_outcome("simulate_races", *recordings, out="races")


def keep_outcome(script: str, *arguments: str | Path, out: str) -> bool:
    """Run a script, which judges itself, and keep its outcome, or the last that it printed, with the facts."""
    path = REFERENCE / f"{out}.json"
    given = [*map(str, arguments), "--out", str(path.relative_to(ROOT))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    text, code, seconds = run(["-m", f"tests.evidence.{script}", *given])
    print(text, flush=True)
    facts = describe(f"python -m tests.evidence.{script} {' '.join(given)}", seconds, code)
    found = json.loads(path.read_text()) if path.exists() else {"output": text[-OUTPUT_KEPT:]}
    path.write_text(json.dumps({"run": facts} | found | {"run": facts}, indent=2) + "\n")
    return code == 0


STEPS: dict[str, Callable[[], bool]] = {
    "rec": lambda: tune_and_judge("rec"),
    "cls": lambda: tune_and_judge("cls"),
    "benchmark_app": lambda: keep_outcome("compare_benchmark_app", out="benchmark_app"),
    "startup": lambda: keep_outcome("measure_startup", "--tuned", TUNED, out="startup"),
    "commands": lambda: keep_outcome("measure_commands", out="commands"),
    "demo": demo,
    "demo_wins": count_demo_wins,
    "field_cases": lambda: keep_outcome("field_cases", out="field_cases"),
    "quota": lambda: keep_outcome("measure_quota", out="quota"),
    "knobs": lambda: keep_outcome("knob_effects", out="knobs"),
    "effective": lambda: keep_outcome("sweep_effective", out="effective"),
    "merging": lambda: keep_outcome("measure_merging", out="merging"),
    "rounds": record_rounds,
    "tables": record_tables,
    "recorded_tables": lambda: keep_outcome(
        "replay_recorded", RECORDED_TABLES, "--seeds", "100", out="search/recorded_tables"
    ),
    "large": lambda: keep_outcome("tune_large", out="search/large"),
    "live_runs": lambda: keep_outcome("live_runs", out="search/live_runs"),
    "landscape": lambda: keep_outcome("search_landscape", out="search/landscape"),
    "proposing": lambda: keep_outcome("measure_proposing", out="search/proposing"),
    "public_tables": lambda: keep_outcome("replay_public", PUBLIC_TABLES, out="search/public_tables"),
    "races": simulate_races,
    "real_races": lambda: keep_outcome("race_real", "cls", out="real_races"),
    "storms": lambda: keep_outcome("measure_storms", out="storms"),
    "faults": lambda: keep_outcome("inject_faults", out="faults"),
    "outputs": lambda: keep_outcome("check_outputs", out="outputs"),
    "overhead": lambda: keep_outcome("measure_overhead", out="overhead"),
    "split": lambda: keep_outcome("check_split", out="split"),
    "second": lambda: tune_language_model("second", "second"),
    "first": lambda: tune_language_model("first", "first"),
    "paged": lambda: tune_language_model("paged", "second", "--attention-backend", "PA"),
    "genai_second": lambda: check_in_genai("second", 30),
    "genai_paged": lambda: check_in_genai("paged", 10),
    "two_sockets": lambda: keep_outcome("walk_two_sockets", out="two_sockets"),
}


def main() -> int:
    """Run the steps and say which of them reached their target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(STEPS))
    names = parser.parse_args().names or list(STEPS)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    outcomes = {name: STEPS[name]() for name in names}
    for name, reached in outcomes.items():
        print(f"{name}: {'reached' if reached else 'MISSED'}")
    return 0 if all(outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
