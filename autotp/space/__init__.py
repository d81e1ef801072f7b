"""Knobs and search spaces: what can be set, which values to try on a machine, and which are equivalent."""

from typing import TYPE_CHECKING

from autotp.lazy import lazy_names

if TYPE_CHECKING:
    from autotp.space.aliases.effective import Effective
    from autotp.space.aliases.predictor import MODEL_THREADS, Identity, Predictor
    from autotp.space.bound_space import BoundSpace, Census, Dropped, bind
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
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "aliases.effective": ("Effective",),
            "aliases.predictor": ("MODEL_THREADS", "Identity", "Predictor"),
            "bound_space": ("BoundSpace", "Census", "Dropped", "bind"),
            "cpu_plugin.processors": ("split_places",),
            "cpu_plugin.streams": ("SUB_STREAM_THREADS", "Streams"),
            "knobs.config": ("Config", "spell_config", "spell_value"),
            "knobs.graph_split": ("MIN_WEIGHTS", "FullyConnected", "GraphSplit"),
            "knobs.table": ("KNOBS", "Kind", "Knob", "Value", "Word", "knob_named"),
            "limits.affinity": ("Mask", "affinity", "nodes_spanned", "sockets_spanned"),
            "limits.precision": ("ALLOWABLE", "default_precision", "lossy"),
            "limits.rules": ("config_dropped",),
            "schema.choices": ("BoundKnob", "Choice", "choose"),
            "schema.space_file": ("Space", "load_space", "named_spaces", "parse_space"),
        },
    )

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
