"""What single settings of a config do."""

import msgspec

from autotp.findings.interval import Interval
from autotp.space.knobs.config import Config


class Effect(msgspec.Struct, frozen=True):
    """How many times better a config is with `settings` than with OpenVINO's own choice of them."""

    settings: Config
    gain: Interval
