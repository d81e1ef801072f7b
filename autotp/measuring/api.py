"""`autotp.measure` and `autotp.compare`: what the commands of these names do, from Python."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Unpack

from autotp.measuring.compare.comparison import Pairing, compare_arms
from autotp.measuring.compare.result import A, B, Comparison
from autotp.measuring.compare.sides import (
    contender,
    model_of,
    objective_of,
    options_of,
    read_side,
    shapes_of,
)
from autotp.measuring.jobs.job import Job
from autotp.measuring.jobs.preparation import choose_open_fields, read_model
from autotp.measuring.lock import Holder, machine_lock
from autotp.measuring.measurement import Measurement, measure_config
from autotp.measuring.options import (
    COMPARE_BUDGET_S,
    MEASURE_BUDGET_S,
    CompareOptions,
    MeasureOptions,
    static_shapes,
)
from autotp.measuring.parent.pool import Workers
from autotp.measuring.workload.registry import WorkloadOptions, workload_for
from autotp.measuring.workload.workload import Wanted
from autotp.options import refuse_unknown
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.config import Config
from autotp.topology.probe import probe

Notice = Callable[[str], None]


def _silent(sentence: str) -> None:
    """Ignore a notice."""


def measure(model: str | Path, *, notice: Notice = _silent, **options: Unpack[MeasureOptions]) -> Measurement:
    """Measure `model` with the knobs in `settings`, the way a tuning does.

    A single request runs synchronously, several are kept in flight.

    Args:
        model: a file that OpenVINO reads, such as an IR's `.xml`, an `.onnx`, a `.tflite` or a `.pdmodel`, or a
            folder that holds `openvino_model.xml` or TensorFlow's `saved_model.pb`.
        notice: is called with a sentence if this has to wait for another measurement on the machine.
        **options: as `MeasureOptions` describes them.

    Raises:
        InputError: the model or an option can't be used, or the config can't be run.
        EnvironmentFailure: no process can be started, or with `no_wait` another measurement is running.
        TypeError: an option that isn't one of `MeasureOptions`.
    """
    refuse_unknown(MeasureOptions, options, "measure")
    budget_s = options.get("budget_s", MEASURE_BUDGET_S)
    config, files = Config.of(options.get("settings", {})), locate(Path(model))
    job = Job(
        files=files,
        workload=workload_for(files, Wanted((), (), budget_s), _workload_options(options)).for_config(config),
        topology=probe(),
        shapes=static_shapes(options.get("shapes", {})),
    )
    job.check(config)
    with _lock("measure", files.path, options.get("no_wait", False), notice), Workers() as workers:
        job.check(config, read_model(workers, job).layers)
        return measure_config(workers, choose_open_fields(workers, job), config, budget_s)


def compare(
    a: str | Path | Mapping[str, Any],
    b: str | Path | Mapping[str, Any],
    *,
    notice: Notice = _silent,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Compare A with B in fresh processes; a gain must be proven as in the finals of a tuning.

    Args:
        a: a tuned.yaml, a hint such as `hint:THROUGHPUT`, or knobs: a mapping, a YAML file,
            `num_streams=4,nireq=8`.
        b: likewise.
        notice: is called with a sentence for each warning, and if this has to wait for another measurement.
        **options: as `CompareOptions` describes them.

    Raises:
        InputError: a side, the model or an option can't be used, or a side can't be run.
        EnvironmentFailure: the reference or a hint can't be run, both sides don't fit into memory, or with
            `no_wait` another measurement is running.
        TypeError: an option that isn't one of `CompareOptions`.
    """
    refuse_unknown(CompareOptions, options, "compare")
    budget_s = options.get("budget_s", COMPARE_BUDGET_S)
    sides = (read_side(a), read_side(b))
    files = model_of(sides, options.get("model"))
    of_workload = _workload_options(options)
    metric = objective_of(sides, options.get("objective"), files, of_workload)
    given = options_of(sides, of_workload, metric)
    job = Job(
        files=files,
        workload=workload_for(files, Wanted((metric,), (), budget_s), given),
        topology=probe(),
        objectives=(metric,),
        shapes=shapes_of(sides, static_shapes(options.get("shapes", {}))),
    )
    contenders = {}
    for key, side in zip((A, B), sides, strict=True):
        contenders[key], warnings = contender(side, job)
        for warning in warnings:
            notice(f"warning: {warning}.")
    with _lock("compare", files.path, options.get("no_wait", False), notice), Workers() as workers:
        layers = read_model(workers, job).layers
        for side in sides:
            if side.tuned is None:
                job.check(side.config, layers)
        chosen = choose_open_fields(workers, job)
        pairing = Pairing(job=chosen, contenders=contenders, metric=metric, notice=notice)
        return compare_arms(workers, pairing, budget_s)


def _workload_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in WorkloadOptions.__annotations__}


def _lock(command: str, model: Path, no_wait: bool, notice: Notice) -> AbstractContextManager[None]:
    def waiting(holder: Holder) -> None:
        notice(f"waiting for {holder}, which measures on this machine.")

    return machine_lock(f"autotp {command} {model.name}", no_wait, waiting)
