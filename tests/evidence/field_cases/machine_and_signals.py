"""CPUs that a container numbers anew, quotas of other periods, terminals that close, readers that leave."""

import json
import os
import subprocess

from tests.evidence.field_cases.case import SCRIPTS, Case, Desk, Done, NotAsExpected
from tests.support import cgroup
from tests.support.command_line import beside_the_budget
from tests.support.models import matmul_model

AUTOTP = str(SCRIPTS / "autotp")
LISTED = "/sys/devices/system/cpu/online"
_SHOW_OTHER_LIST = f'mount --bind "$0" {LISTED} && exec "$@"'


def replay_renumbered_cpus(desk: Desk) -> str:
    """Run the commands where sysfs lists another CPU than the one that the process may run on."""
    *others, cpu = sorted(os.sched_getaffinity(0))
    if not others:
        return "skipped: this needs two CPUs"
    if why := _no_namespace():
        return f"skipped: no private mount namespace can be made here ({why})"
    model, listed = matmul_model(desk.folder), desk.folder / "online"
    listed.write_text(f"{others[0]}\n")

    def autotp(*arguments: str) -> Done:
        bound = ("unshare", "-m", "sh", "-c", _SHOW_OTHER_LIST, str(listed), "taskset", "-c", str(cpu))
        return desk.run([*bound, AUTOTP, *arguments])

    probed = json.loads(autotp("probe", "--json").ended_with(0).stdout)
    if (probed["logical_cpus"], probed["envelope"]["cpus"]) != (1, [cpu]):
        raise NotAsExpected(f"probe shows {probed['logical_cpus']} CPUs, the envelope {probed['envelope']}")
    seen = f"may run on CPUs {cpu}, but {LISTED} lists {others[0]}"
    autotp("health").ended_with(0).says(seen)
    autotp("space").ended_with(0)
    autotp("measure", str(model), "--budget", "2s").ended_with(0).says("throughput")
    autotp("tune", str(model), "--budget", "10s", "--out", "out").ended_with(0, 3).says("Written to", seen)
    return f'probe, space, measure and tune work on CPU {cpu}; health: "this process {seen}"'


def _no_namespace() -> str | None:
    """Why no list can be bound over the real one here; None where one can."""
    argv = ("unshare", "-m", "sh", "-c", _SHOW_OTHER_LIST, LISTED, "true")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"unshare: {error.strerror}"
    return done.stderr.strip() if done.returncode else None


def replay_terminal_that_closes(desk: Desk) -> str:
    """Send SIGHUP to a tuning after 20 s, then to one under nohup."""
    model = str(matmul_model(desk.folder))
    hang_up = ("timeout", "--preserve-status", "--signal=HUP", "20")
    done = desk.run([*hang_up, AUTOTP, "tune", model, "--budget", "2m", "--out", "out"]).ended_with(129)
    written = _tuned(desk, "out")
    if "was stopped" not in written:
        raise NotAsExpected(f"tuned.yaml doesn't say that the tuning was stopped: {written[:300]}")
    ignoring = desk.run([*hang_up, "nohup", AUTOTP, "tune", model, "--budget", "25s", "--out", "nohup"])
    if "was stopped" in _tuned(desk, "nohup") or ignoring.code not in (0, 3):
        raise NotAsExpected(f"under nohup SIGHUP ended it with {ignoring.code}")
    return f"exit code {done.code}, tuned.yaml is there; under nohup it went on to its verdict ({ignoring.code})"


def replay_reader_that_leaves(desk: Desk) -> str:
    """Pipe commands into readers that leave early, and run them with streams that are closed."""
    model = str(matmul_model(desk.folder))
    codes = []
    for form in ("", "--json"):
        out = f"out{form}"
        tune = f"{AUTOTP} tune {model} --budget 10s --out {out} {form}"
        done = desk.run(["bash", "-c", f"{tune} | head -2; exit ${{PIPESTATUS[0]}}"]).ended_with(0, 3)
        said = beside_the_budget(done.stderr)
        if said or "was stopped" in _tuned(desk, out):
            raise NotAsExpected(f"{done.command}: {said or 'it was stopped'}")
        codes.append(str(done.code))
    for command in ("probe", "health --json", "space --explain", f"measure {model} --budget 1s --json", "--help"):
        for ending in ("| head -c 1", "2>&1 | true", ">&-", ">&- 2>&-"):
            piped = f"{AUTOTP} {command} {ending}; exit ${{PIPESTATUS[0]}}"
            if (done := desk.run(["bash", "-c", piped]).ended_with(0)).stderr:
                raise NotAsExpected(f"{command} {ending}: {done.stderr[-300:]}")
    return f"both tunings went on to their verdicts ({', '.join(codes)}); the other commands end with 0, quietly"


def _tuned(desk: Desk, out: str) -> str:
    file = desk.folder / out / "tuned.yaml"
    if not file.is_file():
        raise NotAsExpected(f"there is no {out}/tuned.yaml")
    return file.read_text()


def replay_periods_of_a_quota(desk: Desk) -> str:
    """Measure under quotas whose periods are 1 s and 10 ms."""
    if len(os.sched_getaffinity(0)) < 2:
        return "skipped: a quota of one CPU needs two to hold back"
    if why := cgroup.available():
        return f"skipped: {why}"
    model, lengths = matmul_model(desk.folder), []
    for period_s in (1.0, 0.01):
        with cgroup.cpu_quota(1.0, round(1e6 * period_s)) as group:
            seen = f"in periods of {period_s:g} s"
            desk.run(group.command([AUTOTP, "probe"])).ended_with(0).says(seen)
            desk.run(group.command([AUTOTP, "health"])).ended_with(0).says(seen)
            measure = group.command([AUTOTP, "measure", str(model), "--budget", "3s", "--json"])
            found = json.loads(desk.run(measure).ended_with(0).stdout)
        length_s = found["measured_s"] / found["blocks"]
        if length_s < period_s:
            raise NotAsExpected(f"blocks of {length_s:.3f} s with periods of {period_s:g} s")
        lengths.append(f"periods of {period_s:g} s: blocks of {length_s:.3g} s")
    return "; ".join(lengths)


CASES = (
    Case(
        number="6",
        title="A CPU mask outside of what sysfs lists as online",
        before="space and measure ended with exit code 70",
        test="tests/topology/hardware/test_online.py::test_a_model_is_measured_on_cpus_that_are_not_listed",
        replay=replay_renumbered_cpus,
        minutes=0.5,
    ),
    Case(
        number="11a",
        title="SIGHUP after 20 s of a tuning",
        before="no tuned.yaml",
        test="tests/cli/test_tune.py::test_a_terminal_that_closes_leaves_a_study_and_a_file",
        replay=replay_terminal_that_closes,
        minutes=0.9,
    ),
    Case(
        number="11b",
        title="The output's reader leaves: tune … | head -2",
        before="the closed pipe ended the tuning, no tuned.yaml",
        test="tests/cli/test_tune.py::test_a_reader_that_leaves_does_not_end_a_tuning",
        replay=replay_reader_that_leaves,
        minutes=0.8,
    ),
    Case(
        number="20",
        title="A CPU quota with a period of 1 s or 10 ms",
        before="blocks assumed periods of 100 ms, and nothing warned",
        test="tests/measuring/rounds/test_blocks.py::test_blocks_follow_the_period_of_the_quota",
        replay=replay_periods_of_a_quota,
        minutes=0.3,
    ),
)
