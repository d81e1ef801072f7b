"""Measurement: workers, blocks in rounds, statistics, proof, and the output gate."""

from autotp.measure.comparison import Comparison, Contenders, compare
from autotp.measure.lock import Holder, machine_lock
from autotp.measure.measurement import Measurement, measure
from autotp.measure.outputs.gate import REFERENCE_PROPERTIES, Gate, reference_folder
from autotp.measure.parent.pool import Workers
from autotp.measure.parent.watchdog import PhaseClock
from autotp.measure.plans import plans_of, reference_plan
from autotp.measure.preparation import inspect, record_reference, with_prompt
from autotp.measure.proof.control import policy_of, ran, ran_once
from autotp.measure.proof.split_proof import Place, Ran, prove_split
from autotp.measure.protocol import (
    ArmFailure,
    Block,
    Footprint,
    OutputError,
    Outputs,
    Phase,
    Started,
    Status,
)
from autotp.measure.rounds.arm import Arm, ArmSpec, start_together, stop_all
from autotp.measure.rounds.noise import Noise, least_seconds, measure_noise
from autotp.measure.rounds.rounds import LONGEST_BLOCK_SHARE, Blocks, run_round
from autotp.measure.rounds.waves import AA, GRACE, Rounds, Schedule, Waves, plan_waves, seconds_needed
from autotp.measure.samples.metrics import (
    all_metrics,
    known_metrics,
    others_of,
    samples_of,
    usual_objective,
    value_of,
    whose_metrics,
)
from autotp.measure.samples.statistics import (
    DECIDING_CONFIDENCE,
    MIN_PROCESSES,
    deciding_confidence,
    log_gain,
    noise_floor,
    proven,
    quantile_log_gain_error,
    round_log_gains,
    t_interval,
    t_quantile,
)
from autotp.measure.samples.weather import Patience, weather_counts
from autotp.measure.workload.asked import Asked, generation_for, requests_of, workload_for
from autotp.measure.workload.workload import Generation, Workload

__all__ = [
    "AA",
    "DECIDING_CONFIDENCE",
    "GRACE",
    "LONGEST_BLOCK_SHARE",
    "MIN_PROCESSES",
    "REFERENCE_PROPERTIES",
    "Arm",
    "ArmFailure",
    "ArmSpec",
    "Asked",
    "Block",
    "Blocks",
    "Comparison",
    "Contenders",
    "Footprint",
    "Gate",
    "Generation",
    "Holder",
    "Measurement",
    "Noise",
    "OutputError",
    "Outputs",
    "Patience",
    "Phase",
    "PhaseClock",
    "Place",
    "Ran",
    "Rounds",
    "Schedule",
    "Started",
    "Status",
    "Waves",
    "Workers",
    "Workload",
    "all_metrics",
    "compare",
    "deciding_confidence",
    "generation_for",
    "inspect",
    "known_metrics",
    "least_seconds",
    "log_gain",
    "machine_lock",
    "measure",
    "measure_noise",
    "noise_floor",
    "others_of",
    "plan_waves",
    "plans_of",
    "policy_of",
    "prove_split",
    "proven",
    "quantile_log_gain_error",
    "ran",
    "ran_once",
    "record_reference",
    "reference_folder",
    "reference_plan",
    "requests_of",
    "round_log_gains",
    "run_round",
    "samples_of",
    "seconds_needed",
    "start_together",
    "stop_all",
    "t_interval",
    "t_quantile",
    "usual_objective",
    "value_of",
    "weather_counts",
    "whose_metrics",
    "with_prompt",
    "workload_for",
]
