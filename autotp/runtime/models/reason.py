"""Shortens OpenVINO's errors to one sentence: what is wrong, and at which node.

OpenVINO's errors have several lines (`src/core/src/except.cpp`, and the frontends' `unconverted_ops_report.cpp`).
Around the lines that say what is wrong are places in its source, conditions in C++, and headings.
"""

import re

MOST_CHARACTERS = 400
_CHECK = re.compile(r"Check '(.*)' failed at \S+:\d+:?")
_PLACE = re.compile(
    r"Exception from \S+:\d+:?|FrontEnd API failed with \w+:|Shape inference input shapes .*|"
    r"While validating node '.*'( with friendly_name '.*')?:?|While validating ONNX node '.*?':?"
)
_HEADING = re.compile(
    r"Model wasn't fully converted\.|Failed operations detailed log:|Summary:|Details:|"
    r"(Loading|Converting|Decoding) input model|-- Conversion is failed for: .*|^-- "
)
_AT_NODE = re.compile(r"\[CPU\] \S+ node with name '.*'")
_NODE_NAME = re.compile(r"(?:with friendly_name|node with name) '([^']+)'")
_UNSUPPORTED = "No conversion rule found"  # comes after all operations that failed for want of it


def reason(error: Exception) -> str:
    """Return what OpenVINO's `error` says is wrong as one sentence without a full stop, with the node's name.

    A failed check without an explanation is described by its condition.
    """
    lines = [re.sub(r"\s+", " ", line).strip() for line in str(error).splitlines()]
    saying = list(dict.fromkeys(filter(None, map(_what_is_wrong, lines))))
    saying.sort(key=lambda line: not line.startswith(_UNSUPPORTED))
    failed = [f"its check '{found[1]}' failed" for line in lines if (found := _CHECK.search(line))]
    sentence = _joined(saying or failed[-1:] or list(filter(None, lines))[:1]) or type(error).__name__
    node = next((found[1] for line in reversed(lines) if (found := _NODE_NAME.search(line))), None)
    is_named = node is None or re.search(rf"(?<!\w){re.escape(node)}(?!\w)", sentence)
    return sentence if is_named else f"{sentence} (at node {node})"


def _what_is_wrong(line: str) -> str:
    """Return the part of `line` that says what is wrong; empty if it only says where OpenVINO noticed."""
    rest = _HEADING.sub("", _PLACE.sub("", _CHECK.sub("", line))).strip()
    return "" if _AT_NODE.fullmatch(rest) else rest


def _joined(lines: list[str]) -> str:
    sentence = " ".join(line if line.endswith((".", ":", ";", ",")) else f"{line};" for line in lines)
    return sentence[:MOST_CHARACTERS].rstrip(" .:;,!") + ("…" if len(sentence) > MOST_CHARACTERS else "")
