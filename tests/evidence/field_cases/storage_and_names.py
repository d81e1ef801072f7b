"""Replays names that URLs, JSON or UTF-8 can't hold, and storages that are locked, lost or of another Optuna."""

import os
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from autotp.deploy.tuned import read_tuned
from tests.evidence.field_cases.case import SCRIPTS, Case, Desk, Done, NotAsExpected
from tests.support.models import matmul_model

NAMES = ("{1}", "}", "%ac", "%20", "what?", "a#b", 'it\'s "it"', "two\nlines")
QUICK = ("--budget", "0.5s")
RAN = (0, 3)
SPACE = Path(__file__).parents[3] / "search_spaces" / "throughput.yaml"
DISTURB = """
import sqlite3, subprocess, sys, time
from pathlib import Path
autotp, line_start, budget, deed = sys.argv[1:]
database = Path("out/study.db")
command = [autotp, "tune", "model.xml", "--out", "out", "--budget", budget]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tuning:
    for line in tuning.stdout:
        print(line, end="")
        if not line.startswith(line_start):
            continue
        line_start = "no other line"
        if deed == "delete":
            database.unlink()
        else:
            holder = sqlite3.connect(database, isolation_level=None)
            holder.execute("BEGIN EXCLUSIVE")
            if deed != "for good":
                time.sleep(float(deed))
                holder.execute("ROLLBACK")
sys.exit(tuning.returncode)
"""


def replay_names_of_models(desk: Desk) -> str:
    """Tune, show and resume models with names that are syntax elsewhere."""
    model = matmul_model(desk.folder)
    for name in NAMES:
        for suffix in (".xml", ".bin"):
            shutil.copy(model.with_suffix(suffix), desk.folder / f"{name}{suffix}")
        out = Path("results") / f"{name}-throughput"
        desk.autotp("measure", f"{name}.xml", *QUICK).ended_with(0)
        desk.autotp("tune", f"{name}.xml", *QUICK).ended_with(*RAN)
        desk.autotp("tune", f"{name}.xml", *QUICK).ended_with(2).says("--resume", "--fresh")
        desk.autotp("tune", f"{name}.xml", *QUICK, "--resume").ended_with(*RAN)
        desk.autotp("show", out / "tuned.yaml").ended_with(0)
        _expect_files(desk.folder / out)
    _expect_names(desk.folder / "results", {f"{name}-throughput" for name in NAMES})
    return f"{len(NAMES)} names, such as {NAMES[0]}: measured, tuned, refused a second time, resumed, shown"


def replay_names_of_studies(desk: Desk) -> str:
    """Name the study and its folder with syntax of URLs, and look at it in the dashboard."""
    matmul_model(desk.folder)
    out = "out {0} %41/what?"
    desk.autotp("tune", "model.xml", "--study", "what?", "--out", out, *QUICK).ended_with(*RAN)
    again = desk.autotp("tune", "model.xml", "--study", "what?", "--out", out, *QUICK).ended_with(2).says("exists")
    _expect_files(desk.folder / out)
    _expect_names(desk.folder, {"model.xml", "model.bin", "out {0} %41"})
    desk.autotp("compare", f"{out}/tuned.yaml", "hint:LATENCY", "--budget", "1s").ended_with(0, 1, 3)
    _dashboard(desk, out).ended_with(0, 124, 130).says("Dashboard of")
    return f"study.db lies in --out; a second call says {again.stderr.strip()!r}; the dashboard serves it"


def replay_names_that_are_not_utf_8(desk: Desk) -> str:
    """Use a folder and files whose names aren't UTF-8 with every command that takes a path."""
    folder = os.fsdecode(b"b\xe4d")
    (desk.folder / folder).mkdir()
    model = matmul_model(desk.folder / folder, name=folder)
    matmul_model(desk.folder)
    shutil.copy(SPACE, desk.folder / folder / "s.yaml")
    given, out = f"{folder}/{model.name}", f"{folder}/out"
    desk.autotp("measure", given, *QUICK, "--json").ended_with(0)
    refused = desk.autotp("tune", given, *QUICK).ended_with(2).says("isn't UTF-8")
    desk.autotp("tune", "model.xml", "--study", folder, *QUICK).ended_with(2).says("isn't UTF-8")
    desk.autotp("tune", "model.xml", "--out", out, *QUICK, "--json").ended_with(*RAN)
    desk.autotp("show", f"{out}/tuned.yaml", "--json").ended_with(0)
    desk.autotp("compare", f"{out}/tuned.yaml", "hint:LATENCY", "--budget", "1s").ended_with(0, 1, 3)
    desk.autotp("space", f"{folder}/s.yaml").ended_with(0)
    desk.autotp("space", f"{folder}/none.yaml").ended_with(2)
    desk.autotp("split", given, "--count", "2", "--min-weights", "0", "-o", f"{folder}/split.xml").ended_with(0)
    desk.python("import sys, autotp; autotp.load(sys.argv[1])", f"{out}/tuned.yaml").ended_with(0)
    _dashboard(desk, out).ended_with(0, 124, 130).says("Dashboard of")
    said = _told(desk, refused)
    return f"measure, space, split, show, compare, load, --out and dashboard work; tune says {said!r}"


def replay_another_schema(desk: Desk) -> str:
    """Open studies whose tables are older or newer than the Optuna installed."""
    matmul_model(desk.folder)
    desk.autotp("tune", "model.xml", "--out", "out", *QUICK).ended_with(*RAN)
    said = ""
    for revision in ("v3.0.0.d", "v99"):
        with closing(sqlite3.connect(desk.folder / "out" / "study.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        for more in (["--resume"], ["--fresh"], []):
            _one_line(desk, desk.autotp("tune", "model.xml", "--out", "out", *QUICK, *more).ended_with(2))
        said = _one_line(desk, desk.autotp("dashboard", "out").ended_with(2))
    return f"tune, with --resume, --fresh or neither, and dashboard: exit code 2, {said!r}"


def replay_a_lock_during_the_finals(desk: Desk) -> str:
    """Hold the SQLite file for 15 s once the finals begin."""
    matmul_model(desk.folder)
    done = _disturbed(desk, "finals", "40s", "15").ended_with(*RAN)
    if "invalid data" in done.stderr:
        raise NotAsExpected(done.stderr)
    verdict = read_tuned(desk.folder / "out" / "tuned.yaml").profiles[0].result.verdict
    with closing(sqlite3.connect(desk.folder / "out" / "study.db")) as database:
        (finals,) = database.execute(
            "SELECT COUNT(*) FROM trial_user_attributes WHERE key = 'role' AND value_json = '\"final\"'"
        ).fetchone()
    if not finals:
        raise NotAsExpected("the study holds no trials of the finals")
    return (
        f"exit code {done.code}, {done.seconds:.0f} s: {verdict}, and {finals} trials of the finals in the study"
    )


def replay_a_lock_for_good(desk: Desk) -> str:
    """Hold the SQLite file until the tuning has ended."""
    matmul_model(desk.folder)
    return _lost(desk, "finals", "for good")


def replay_a_deleted_storage(desk: Desk) -> str:
    """Delete the SQLite file during the search."""
    matmul_model(desk.folder)
    return _lost(desk, "baseline", "delete")


def _lost(desk: Desk, line_start: str, deed: str) -> str:
    done = _disturbed(desk, line_start, "20s", deed).ended_with(5).says("tuned.yaml")
    if "invalid data" in done.stderr:
        raise NotAsExpected(done.stderr)
    verdict = read_tuned(desk.folder / "out" / "tuned.yaml").profiles[0].result.verdict
    return f"exit code 5 after {done.seconds:.0f} s, tuned.yaml holds {verdict}: {_told(desk, done)!r}"


def _disturbed(desk: Desk, line_start: str, budget: str, deed: str) -> Done:
    return desk.python(DISTURB, str(SCRIPTS / "autotp"), line_start, budget, deed)


def _dashboard(desk: Desk, folder: str) -> Done:
    """Run the dashboard for some seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(SCRIPTS / "autotp"), "dashboard", folder, "--port", str(port)]
    return desk.run(["timeout", "--signal=INT", "10", *command], {"PYTHONUNBUFFERED": "1"})


def _told(desk: Desk, done: Done) -> str:
    return done.stderr.strip().replace(f"{desk.folder}{os.sep}", "")


def _one_line(desk: Desk, done: Done) -> str:
    said = _told(desk, done)
    if "\n" in said or "optuna" not in said.lower():
        raise NotAsExpected(f"{done.command}: {said}")
    return said


def _expect_files(folder: Path) -> None:
    _expect_names(folder, {"study.db", "tuned.yaml"})


def _expect_names(folder: Path, names: set[str]) -> None:
    found = {path.name for path in folder.iterdir()}
    if found != names:
        raise NotAsExpected(f"{folder} holds {sorted(found)}, not {sorted(names)}")


CASES: tuple[Case, ...] = (
    Case(
        number="7a",
        title="a model's name that is syntax of templates or URLs",
        before="{1}.xml and }.xml: exit code 70; %ac.xml and %20.xml: exit code 5, the percent sign decoded",
        test="tests/tuning/study/test_storage_url.py::test_a_file_may_have_any_name",
        replay=replay_names_of_models,
        minutes=2.0,
    ),
    Case(
        number="7b",
        title="a study's name and folder that are syntax of URLs",
        before="--study 'what?': the database in a folder `what`; the second call: exit code 70",
        test="tests/cli/test_tune.py::test_any_name_will_do_for_a_study_and_its_model",
        replay=replay_names_of_studies,
        minutes=0.5,
    ),
    Case(
        number="8",
        title="a folder's name that isn't UTF-8",
        before="measure and tune: exit code 70",
        test="tests/cli/test_measure.py::test_a_file_that_is_not_named_in_utf_8_is_measured",
        replay=replay_names_that_are_not_utf_8,
        minutes=0.6,
    ),
    Case(
        number="9",
        title="a study of another Optuna schema",
        before="tune --resume and dashboard: exit code 70",
        test="tests/tuning/study/test_storage_url.py::test_tables_of_another_optuna_come_with_optunas_own_cure",
        replay=replay_another_schema,
        minutes=0.4,
    ),
    Case(
        number="10a",
        title="another program holds the SQLite file for 15 s during the finals",
        before="exit code 5, no tuned.yaml, and a message about invalid data",
        test="tests/tuning/study/test_sqlite_file.py::test_a_lock_is_waited_for",
        replay=replay_a_lock_during_the_finals,
        minutes=1.0,
    ),
    Case(
        number="10b",
        title="another program holds the SQLite file for good",
        before="exit code 5, no tuned.yaml",
        test="tests/tuning/test_tuner.py::test_what_is_proven_is_written_without_a_storage_too",
        replay=replay_a_lock_for_good,
        minutes=1.5,
    ),
    Case(
        number="10c",
        title="the SQLite file is deleted during the search",
        before="exit code 5, no tuned.yaml",
        test="tests/tuning/test_tuner.py::test_a_storage_that_is_lost_leaves_the_file_and_exit_code_5",
        replay=replay_a_deleted_storage,
        minutes=0.4,
    ),
)
