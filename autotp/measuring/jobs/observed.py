"""What was observed of a started arm: OpenVINO's report and the proof, beside the prediction."""

import msgspec

from autotp.findings.proof import Proof
from autotp.measuring.failure import ArmFailure
from autotp.measuring.outputs.error import OutputError
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from autotp.space.knobs.table import KNOBS
from autotp.space.limits.affinity import Mask

# Properties that distinguish configs. OpenVINO reports hints and the policy as they were set, whatever it does.
AS_SET = ("PERFORMANCE_HINT", "EXECUTION_MODE_HINT", "MODEL_DISTRIBUTION_POLICY")
DISTINCTIVE = tuple(knob.property for knob in KNOBS.values() if knob.property not in (None, *AS_SET))


class Observed(msgspec.Struct, frozen=True):
    """What was observed of a started arm. Arms with equal `key` are aliases.

    `start_s` is how long it took to start and warm up, without comparing outputs; of arms that start side by side,
    each has its share.
    """

    effective: Effective
    masks: tuple[Mask, ...] | None
    proof: Proof | None
    output_error: OutputError | None
    properties: dict[str, str]
    predicted: Effective = Effective()
    unreported: Config = Config()  # knobs whose effect no property shows
    copy_s: float | None = None
    start_s: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What identifies the effective config; the prediction is no part of it."""
        distinctive = (self.properties.get(name) for name in DISTINCTIVE)
        return (self.effective, self.masks, self.unreported, *distinctive)

    @property
    def mispredicted(self) -> tuple[str, ...]:
        """The fields of the effective config that were predicted wrongly."""
        fields = Effective.__struct_fields__
        pairs = [(name, getattr(self.predicted, name), getattr(self.effective, name)) for name in fields]
        return tuple(name for name, predicted, found in pairs if predicted is not None and predicted != found)


Outcome = Observed | ArmFailure
