"""From a config to a running arm: plans, the output gate, what was observed and its proof."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

import msgspec

from autotp.findings import Proof
from autotp.measure import (
    Arm,
    ArmFailure,
    ArmSpec,
    Gate,
    Outputs,
    Phase,
    PhaseClock,
    Ran,
    Status,
    Workers,
    plans_of,
    policy_of,
    prove_split,
    ran,
    ran_once,
    record_reference,
    reference_folder,
    reference_plan,
    start_together,
    stop_all,
)
from autotp.space import MODEL_THREADS, Config, Effective, Mask, Predictor, affinity, lossy
from autotp.tuning.observed import Observed, Outcome
from autotp.tuning.request import TuneRequest


class Bench:
    """Starts arms for one request on one machine, all with the same workload, samples and reference."""

    def __init__(self, request: TuneRequest, predictor: Predictor, narrowed: bool, workers: Workers) -> None:
        self.topology = predictor.topology
        self.gate = Gate(tolerance=request.tolerance)
        self.arm_start_s = 0.0  # the longest that an arm took to start and warm up
        self._request = request
        self._workers = workers
        self._narrowed = narrowed
        self._predictor = predictor
        self._model_threads: tuple[int, ...] = MODEL_THREADS  # less once a hint's own streams have been seen
        self._folder = reference_folder()
        self._arms: list[Arm] = []
        self._without_policy: dict[tuple[object, ...], Ran] = {}

    @property
    def _reference(self) -> Path:
        return Path(self._folder.name) / "reference.npz"

    def record_reference(self) -> None:
        """Compute the reference outputs once.

        Raises:
            ArmFailure: the reference couldn't be run.
        """
        plan = reference_plan(self._request.files, self._request.shapes)
        record_reference(self._workers, plan, self._request.workload, self._reference)

    def close(self) -> None:
        """Stop every arm that was ever made here and delete the reference outputs."""
        stop_all(self._arms)
        self._folder.cleanup()

    def accept_hints(self, hints: Mapping[Config, Observed]) -> None:
        """Take the hints' worst output error for what is accepted in practice, and learn from their streams."""
        for config, hint in hints.items():
            if config.get("performance_hint") == "throughput":
                self._model_threads = self._predictor.model_threads(config, hint.effective)
        self.gate = self.gate.accepting(hint.output_error for hint in hints.values() if hint.output_error)

    @property
    def clock(self) -> PhaseClock:
        """The watchdogs and the time spent."""
        return self._workers.clock

    @property
    def room(self) -> int:
        """How many more arms like the largest so far the memory that is left holds."""
        return self._workers.room

    def masks(self, config: Config) -> tuple[Mask, ...] | None:
        """Return the masks of `config`, explicit where the person narrowed the CPUs.

        Raises:
            SpaceError: the config is INVALID here.
        """
        masks = affinity(config, self.topology.machine, self.topology.envelope)
        return (self.topology.envelope.cpus,) if masks is None and self._narrowed else masks

    def arm(self, config: Config, checked: bool = True) -> Arm:
        """Return an arm for `config`, not yet started; `checked` if it's to compare its outputs.

        Raises:
            SpaceError: the config is INVALID here.
        """
        request, masks = self._request, self.masks(config)
        plans = plans_of(config, masks, request.files, request.shapes, self._nireq(config))
        outputs = Outputs(str(self._reference)) if checked else None
        workload = request.workload.batched(config.count("batch"))
        arm = Arm(ArmSpec(plans=plans, workload=workload, outputs=outputs), self._workers)
        self._arms.append(arm)
        return arm

    def start(self, configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        """Start an arm for each of `configs` side by side and say what each turned out to be.

        Args:
            configs: configs that can run here.
            gated: whether wrong outputs are a failure; the hints are exempt.
        """
        began = monotonic()
        arms = [self.arm(config) for config in configs]
        failures = start_together(arms)
        if arms:
            self.arm_start_s = max(self.arm_start_s, (monotonic() - began) / len(arms))
        outcomes: list[tuple[Arm, Outcome]] = []
        for index, (config, arm) in enumerate(zip(configs, arms, strict=True)):
            outcome: Outcome = failures[index] if index in failures else self._observe(config, arm)
            if isinstance(outcome, Observed) and gated:
                outcome = self.wrong_output(config, outcome) or outcome
            if isinstance(outcome, ArmFailure):
                arm.stop()
            outcomes.append((arm, outcome))
        return outcomes

    def wrong_output(self, config: Config, observed: Observed) -> ArmFailure | None:
        """Return the failure of an arm whose outputs the gate rejects, None where it accepts them.

        What a lossy config of a language model says has to be what the reference says, word for word.
        """
        assert observed.output_error is not None
        strict = self._request.workload.generation is not None and lossy(config, self.topology.machine)
        reason = self.gate.rejects(observed.output_error, observed.effective.precision, strict)
        return ArmFailure(Status.WRONG_OUTPUT, Phase.COMPILE, reason) if reason else None

    def _observe(self, config: Config, arm: Arm) -> Outcome:
        started, masks = arm.started[0], self.masks(config)
        try:
            proof = self._prove(config, masks, arm) if config.tensor_parallel else None
        except ArmFailure as failure:
            return failure
        sub_streams = proof.sub_streams if proof else 1
        effective = msgspec.structs.replace(started.effective, sub_streams=sub_streams)
        return Observed(
            effective=effective,
            masks=masks,
            proof=proof,
            output_error=arm.output_error if arm.spec.outputs is not None else None,
            properties=started.properties,
            predicted=self._predict(config),
            told_apart=self._predictor.told_apart(config),
            copy_s=started.copy_s,
        )

    def _predict(self, config: Config) -> Effective:
        predicted = self._predictor.effective(config, self._model_threads)
        return msgspec.structs.replace(predicted, requests=self._nireq(config) or predicted.streams)

    def _prove(self, config: Config, masks: tuple[Mask, ...] | None, arm: Arm) -> Proof:
        """Hold `arm` against the same config under the same mask without the policy, which runs once for all."""
        request, seen, key = self._request, ran(arm), (config.without_policy, masks)
        policy = policy_of(config, masks, request.files, request.shapes, request.workload, self.topology)
        if key not in self._without_policy:
            self._without_policy[key] = ran_once(self._workers, policy.twin)
        return prove_split(seen, self._without_policy[key], policy.spanned)

    def _nireq(self, config: Config) -> int | None:
        """Return the requests in flight; None leaves OpenVINO's optimum."""
        return self._request.nireq(config)
