"""What a started arm turned out to be: OpenVINO's word and the proof, beside what was predicted."""

import msgspec

from autotp.findings import Proof
from autotp.measuring.failure import ArmFailure
from autotp.measuring.outputs.error import OutputError
from autotp.space import KNOBS, Config, Effective, Mask

# What OpenVINO only echoes (the hint, the policy) tells nothing of what it does.
DISTINCTIVE = tuple(
    knob.property
    for knob in KNOBS.values()
    if knob.property not in (None, "PERFORMANCE_HINT", "MODEL_DISTRIBUTION_POLICY")
)


class Observed(msgspec.Struct, frozen=True):
    """What a started arm is: arms with equal `key` are aliases."""

    effective: Effective
    masks: tuple[Mask, ...] | None
    proof: Proof | None
    output_error: OutputError | None
    properties: dict[str, str]
    predicted: Effective = Effective()
    unreported: Config = Config()  # knobs whose effect no property shows
    copy_s: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """The identity that counts, whatever was predicted."""
        distinctive = (self.properties.get(name) for name in DISTINCTIVE)
        return (self.effective, self.masks, self.unreported, *distinctive)

    @property
    def mispredicted(self) -> tuple[str, ...]:
        """The fields of the effective config in which what was predicted didn't come true."""
        fields = Effective.__struct_fields__
        pairs = [(name, getattr(self.predicted, name), getattr(self.effective, name)) for name in fields]
        return tuple(name for name, predicted, found in pairs if predicted is not None and predicted != found)


Outcome = Observed | ArmFailure
