"""Knobs and spaces: what can be set, which values to try here, and what OpenVINO makes of them."""

from autotp.space.affinity import Mask, affinity, nodes_spanned, sockets_spanned
from autotp.space.bind import BoundKnob, BoundSpace, Census, Choice, Dropped, bind, choose
from autotp.space.config import Config, spell_config, spell_value
from autotp.space.effective import Effective, Identity, default_precision, identity
from autotp.space.knobs import KNOBS, Kind, Knob, Value, Word, knob_named
from autotp.space.rules import config_dropped
from autotp.space.schema import Space, load_space, named_spaces, parse_space

__all__ = [
    "KNOBS",
    "BoundKnob",
    "BoundSpace",
    "Census",
    "Choice",
    "Config",
    "Dropped",
    "Effective",
    "Identity",
    "Kind",
    "Knob",
    "Mask",
    "Space",
    "Value",
    "Word",
    "affinity",
    "bind",
    "choose",
    "config_dropped",
    "default_precision",
    "identity",
    "knob_named",
    "load_space",
    "named_spaces",
    "nodes_spanned",
    "parse_space",
    "sockets_spanned",
    "spell_config",
    "spell_value",
]
