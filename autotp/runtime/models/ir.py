"""What an IR's .xml says about the model's inputs and outputs, in milliseconds and without OpenVINO.

An IR is a list of layers; inputs are layers of type Parameter, outputs are of type Result
(https://docs.openvino.ai/2026/documentation/openvino-ir-format.html). Loops and branches have lists of layers of
their own inside a layer; what goes in and out there isn't the model's. The graph of a language model has megabytes
of XML, so its few ports are searched for, as OpenVINO writes them; no tree is built.
"""

import re

from autotp.runtime.models.language import Signature, SignedPort

_PORT = re.compile(rb'type="(Parameter|Result)"')
_NAMES = re.compile(rb' names="([^"]*)"')
_NAME = re.compile(rb'\bname="([^"]*)"')
_OUTPUT_NAMES = re.compile(rb' output_names="([^"]*)"')
_SIZE = re.compile(rb"<dim>(-?\d+)</dim>")


def read_signature(graph: bytes) -> Signature:
    """Return the inputs and outputs of the IR whose XML is `graph`."""
    ports: dict[bytes, list[SignedPort]] = {b"Parameter": [], b"Result": []}
    levels = position = 0
    for found in _PORT.finditer(graph):
        begin, end = graph.rfind(b"<layer ", position, found.start()), graph.find(b"</layer>", found.end())
        if begin < 0 or end < 0:
            continue
        levels += graph.count(b"<layers>", position, begin) - graph.count(b"</layers>", position, begin)
        position = begin
        if levels == 1:
            ports[found[1]].append(_port(*graph[begin:end].partition(b">")[::2]))
    return Signature(inputs=tuple(ports[b"Parameter"]), outputs=tuple(ports[b"Result"]))


def _port(layer: bytes, ports: bytes) -> SignedPort:
    """Return a port; IRs written by older versions have no names for outputs but the layer's own."""
    named = _NAMES.search(ports) or _OUTPUT_NAMES.search(layer) or _NAME.search(layer)
    names = named[1].decode(errors="replace").split(",") if named else []
    return SignedPort(frozenset(names), tuple(int(size) for size in _SIZE.findall(ports)))
