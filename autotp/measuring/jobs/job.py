"""A job: what configs are measured for, and the one place that turns a config into the specification of an arm."""

from collections.abc import Mapping, Sequence

import msgspec

from autotp.errors import SpaceError
from autotp.findings.metric import Metric
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.proof.control import Control
from autotp.measuring.proof.split_proof import socket_cpus
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.workload.registry import AnyWorkload, void_knobs
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import ModelFiles
from autotp.runtime.models.read import Shape
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import FullyConnected
from autotp.space.limits.affinity import Mask, affinity
from autotp.space.limits.precision import lossy
from autotp.space.limits.rules import config_dropped
from autotp.topology.probe import Topology

REFERENCE_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
MAIN_HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput"))


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What configs are measured for: a model, its workload, the objectives, and the machine.

    Attributes:
        files: the model.
        shapes: static shapes by input; empty for a language model.
        workload: how it is driven.
        objectives: metrics, the deciding one first; empty if all are of interest.
        topology: the machine, and what this process may use of it.
        narrowed: whether the user chose these CPUs, so that every process must be bound to them.
    """

    files: ModelFiles
    workload: AnyWorkload
    topology: Topology
    objectives: tuple[Metric, ...] = ()
    shapes: dict[str, Shape] = {}
    narrowed: bool = False

    @property
    def void_knobs(self) -> Mapping[str, str]:
        """The knobs that have no meaning for the workload, with the reason."""
        return void_knobs(self.workload)

    def check(self, config: Config, layers: Sequence[FullyConnected] | None = None, whose: str = "") -> None:
        """Check that `config` can run here and that none of its settings is without effect.

        Args:
            config: the config to check.
            layers: the model's fully connected layers, if the model has been read already.
            whose: the beginning of the error.

        Raises:
            SpaceError: the text is the reason.
        """
        self.masks(config)
        reason = config_dropped(config, self.void_knobs)
        if layers is not None and config.graph_split:
            reason = reason or config.graph_split.why_not(layers)
        if reason:
            raise SpaceError(f"{whose}{config}: {reason}.")

    def masks(self, config: Config) -> tuple[Mask, ...] | None:
        """Return the CPUs of each process of `config`; None if processes aren't bound to CPUs.

        Raises:
            SpaceError: the config can't run here.
        """
        masks = affinity(config, self.topology.machine, self.topology.envelope)
        return (self.topology.envelope.cpus,) if masks is None and self.narrowed else masks

    def nireq(self, config: Config) -> int | None:
        """Return how many requests `config` keeps in flight; None leaves it to OpenVINO."""
        return self.workload.nireq(config, self.objectives)

    def strict(self, config: Config) -> bool:
        """Whether `config`, being less exact than the default, must give exactly the reference's whole numbers."""
        return self.workload.exact_when_lossy and lossy(config, self.topology.machine)

    def spec(self, config: Config) -> ArmSpec:
        """Return the arm of `config`.

        Raises:
            SpaceError: the config can't run here.
        """
        return self._spec(config, self.masks(config), self.nireq(config))

    def spec_from_plans(self, plans: Sequence[Plan], config: Config) -> ArmSpec:
        """Return the arm that runs `plans`, made elsewhere from `config`."""
        return ArmSpec(plans=tuple(plans), workload=self.workload.for_config(config))

    def reference(self, path: str) -> ArmSpec:
        """Return the arm that writes the reference outputs to `path`."""
        properties = {**REFERENCE_PROPERTIES, **self.workload.reference_properties}
        return ArmSpec(plans=(self._plan(properties),), workload=self.workload, outputs=Outputs(path, save=True))

    def hints(self) -> tuple[ArmSpec, ...]:
        """Return an arm with a single request for each of OpenVINO's hints, on the CPUs that the user chose.

        The LATENCY hint comes first.
        """
        mask = self.topology.envelope.cpus if self.narrowed else None
        plans = [self._plan(hint.properties(), mask, nireq=1) for hint in MAIN_HINTS]
        return tuple(ArmSpec(plans=(plan,), workload=self.workload) for plan in plans)

    def control(self, config: Config) -> Control:
        """Return the control run for `config`, which has the distribution policy: the same config without it.

        Raises:
            SpaceError: the config can't run here.
        """
        masks = self.masks(config)
        spec = self._spec(config.without_policy, masks and masks[:1], None)
        cpus = masks[0] if masks else self.topology.envelope.cpus
        return Control(spec=spec, sockets=socket_cpus(self.topology.machine, cpus))

    def _spec(self, config: Config, masks: tuple[Mask, ...] | None, nireq: int | None) -> ArmSpec:
        plans = tuple(
            Plan(
                files=self.files,
                shapes=self.shapes,
                properties=config.properties(),
                mask=mask,
                nireq=nireq,
                split=config.graph_split,
                attention=self.workload.attention,
            )
            for mask in masks or (None,)
        )
        return self.spec_from_plans(plans, config)

    def _plan(self, properties: dict[str, str], mask: Mask | None = None, nireq: int | None = None) -> Plan:
        return Plan(
            files=self.files,
            shapes=self.shapes,
            properties=properties,
            mask=mask,
            nireq=nireq,
            attention=self.workload.attention,
        )
