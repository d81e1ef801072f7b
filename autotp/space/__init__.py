"""Knobs and spaces: what can be set, which values to try here, and what OpenVINO makes of them."""

from autotp.space.aliases.predictor import MODEL_THREADS, Effective, Identity, Predictor
from autotp.space.bind import BoundSpace, Census, Dropped, bind
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.cpu_plugin.streams import SUB_STREAM_THREADS, Streams
from autotp.space.knobs.config import Config, spell_config, spell_value
from autotp.space.knobs.graph_split import MIN_WEIGHTS, FullyConnected, GraphSplit
from autotp.space.knobs.table import KNOBS, Kind, Knob, Value, Word, knob_named
from autotp.space.limits.affinity import Mask, affinity, nodes_spanned, sockets_spanned
from autotp.space.limits.precision import ALLOWABLE, default_precision, lossy
from autotp.space.limits.rules import config_dropped
from autotp.space.schema.choices import BoundKnob, Choice, choose
from autotp.space.schema.space_file import Space, load_space, named_spaces, parse_space

__all__ = [
    "ALLOWABLE",
    "KNOBS",
    "MIN_WEIGHTS",
    "MODEL_THREADS",
    "SUB_STREAM_THREADS",
    "BoundKnob",
    "BoundSpace",
    "Census",
    "Choice",
    "Config",
    "Dropped",
    "Effective",
    "FullyConnected",
    "GraphSplit",
    "Identity",
    "Kind",
    "Knob",
    "Mask",
    "Predictor",
    "Space",
    "Streams",
    "Value",
    "Word",
    "affinity",
    "bind",
    "choose",
    "config_dropped",
    "default_precision",
    "knob_named",
    "load_space",
    "lossy",
    "named_spaces",
    "nodes_spanned",
    "parse_space",
    "sockets_spanned",
    "spell_config",
    "spell_value",
    "split_places",
]
