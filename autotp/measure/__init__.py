"""Measurement: workers, blocks in rounds, statistics, proof, and the output gate."""

from autotp.measure.arm import Arm, ArmSpec, start_together, stop_all
from autotp.measure.asked import Asked, generation_for, requests_of, workload_for
from autotp.measure.comparison import Comparison, Contenders, compare
from autotp.measure.evidence import policy_of, ran, ran_once
from autotp.measure.lock import Holder, machine_lock
from autotp.measure.metrics import Metric, all_metrics, others_of
from autotp.measure.noise import Noise, least_seconds, measure_noise
from autotp.measure.outputs import REFERENCE_PROPERTIES, Gate, reference_folder
from autotp.measure.phases import PhaseClock
from autotp.measure.plans import plans_of, reference_plan
from autotp.measure.preparation import inspect, record_reference, with_prompt
from autotp.measure.proof import Place, Proof, ProofState, Ran, prove_split
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
from autotp.measure.rounds import LONGEST_BLOCK_SHARE, Blocks, run_round
from autotp.measure.single import Measurement, measure
from autotp.measure.statistics import (
    DECIDING_CONFIDENCE,
    MIN_P99_SAMPLES,
    MIN_PROCESSES,
    REPORTED_CONFIDENCE,
    UNITY,
    Interval,
    Ruling,
    deciding_confidence,
    log_gain,
    noise_floor,
    proven,
    quantile_log_gain_error,
    round_log_gains,
    t_interval,
    t_quantile,
)
from autotp.measure.waves import AA, GRACE, Rounds, Schedule, Waves, plan_waves, seconds_needed
from autotp.measure.weather import Patience, weather_counts
from autotp.measure.workers import Workers
from autotp.measure.workload import Generation, Loop, Workload

__all__ = [
    "AA",
    "DECIDING_CONFIDENCE",
    "GRACE",
    "LONGEST_BLOCK_SHARE",
    "MIN_P99_SAMPLES",
    "MIN_PROCESSES",
    "REFERENCE_PROPERTIES",
    "REPORTED_CONFIDENCE",
    "UNITY",
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
    "Interval",
    "Loop",
    "Measurement",
    "Metric",
    "Noise",
    "OutputError",
    "Outputs",
    "Patience",
    "Phase",
    "PhaseClock",
    "Place",
    "Proof",
    "ProofState",
    "Ran",
    "Rounds",
    "Ruling",
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
    "seconds_needed",
    "start_together",
    "stop_all",
    "t_interval",
    "t_quantile",
    "weather_counts",
    "with_prompt",
    "workload_for",
]
