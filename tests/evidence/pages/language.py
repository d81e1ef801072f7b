"""Sections about language models: tunings, GenAI, splits, two sockets."""

from collections.abc import Iterator

from tests.evidence.outcomes import read_outcome, read_text
from tests.evidence.pages.markdown import fenced, prose, section, spell_knobs, spell_ratio, table
from tests.evidence.pages.tunings import ending

GENAI_FIGURES = ("first_token_latency_s", "second_token_latency_s", "tokens_per_s")
GENAI_NAMES = ("first token", "second token", "tokens a second")
WALK = "https://blog.openvino.ai/blog-posts/openvino-optimization-llm-distributed"


def language_model() -> str:
    """SmolLM2 tuned by its second token, by its first, and with paged attention."""
    return section(
        "A language model",
        prose("""
            SmolLM2-135M-Instruct with four-bit weights. `python -m tests.support.real_models smollm2` makes its
            IR (after `pip install -e '.[dev,genai]'`). Tuned by the latency of the tokens after the first:
        """),
        fenced(read_text("smollm2_second/transcript.txt")),
        "By the latency of the first token:",
        ending("smollm2_first"),
        "By the tokens after the first, with paged attention, which OpenVINO GenAI uses by default:",
        ending("smollm2_paged"),
    )


def genai() -> str:
    """How autotp and OpenVINO GenAI agree on SmolLM2."""
    outcomes = [read_outcome(f"genai_{name}.json") for name in ("second", "paged")]
    gains = [
        (
            found["attention_backend"],
            *(spell_ratio(found["tuned_over_hint_in_genai"][key]) for key in GENAI_FIGURES),
        )
        for found in outcomes
    ]
    rows = [row for found in outcomes for row in _agreement(found)]
    return section(
        "Does it hold in OpenVINO GenAI?",
        prose("""
            `autotp measure` and GenAI's `LLMPipeline` ran what was tuned above, and the LATENCY hint, in turn
            (`tests/evidence/compare_genai.py`). What autotp measured, divided by what GenAI reports, the median
            over turns:
        """),
        table(("backend", "config", "turns", *GENAI_NAMES), rows),
        prose("""
            The tuned config over the hint by GenAI's own metrics in the same turns, with 95 % intervals. Below
            1 is better for a latency, above 1 for tokens a second:
        """),
        table(("backend", *GENAI_NAMES), gains),
        prose("""
            Both tools see the same cost in first tokens. GenAI's own figures scatter more than a gain of a few
            percent, so an interval in the second table may hold 1 though autotp has proven the gain.
        """),
    )


def _agreement(found: dict[str, dict[str, dict[str, dict[str, float]]]]) -> Iterator[tuple[object, ...]]:
    for name, ratios in found["autotp_over_genai"].items():
        config = found["config"] if name == "tuned" else {"performance_hint": "latency"}
        figures = (f"{ratios[key]['median']:.3f}" for key in GENAI_FIGURES)
        turns = len(found["figures"][name]["genai"])
        yield found["attention_backend"], f"{name}: {spell_knobs(config)}", turns, *figures


def split() -> str:
    """SmolLM2 split in every way."""
    rows = []
    for way, found in read_outcome("split.json")["ways"].items():
        layers = found.get("layers_expected", "all, by OpenVINO")
        same = "the same" if found["same_tokens"] else "different"
        disk = f"{found['weights_growth']:+.2%}" if "weights_growth" in found else ""
        rows.append((way, layers, same, disk, f"{found['resident_growth']:+.1%}"))
    header = ("split", "layers split", "64 tokens after three prompts", "weights on disk", "memory")
    return section(
        "Split layers give the same tokens",
        prose("""
            SmolLM2 with its fully connected layers split in the graph (`graph`), by `autotp split` in a file
            (`written`), and by OpenVINO's own policy on pretended machines (`native`), each compared with the
            model that isn't split (`tests/evidence/check_split.py`):
        """),
        table(header, rows),
        prose("""
            Memory is that of the whole process after a prompt of one token. A split in the graph copies no
            weights. What grows is what OpenVINO keeps for each further node, about a tenth of a megabyte, which
            shows where many small layers are split.
        """),
    )


def large() -> str:
    """Return what a language model that starts slowly takes, in the budget that autotp names."""
    outcome = read_outcome("search/large.json")
    first, second = outcome["first"], outcome["second"]
    result = second["verdict"]
    gain = f"{result['verdict'].upper()}, {spell_ratio(result['gain'], 'median')} times as fast as LATENCY"
    return section(
        "A large language model",
        prose(f"""
            A language model of {outcome["weights"].split(",")[0]} random weights of four bits, tuned by
            second_token_latency (`tests/evidence/tune_large.py`). With `--budget {first["budget"]}`, autotp says
            after {first["named_after_s"]:.0f} s that a verdict needs `--budget {first["named"]}`. With that, after
            {second["seconds"]:.0f} s: {gain}.
        """),
    )


def two_sockets() -> str:
    """The walk-through, step by step."""
    steps = read_outcome("two_sockets.json")["steps"]
    shown = "\n".join(f"$ {step['command']}\n{step['output'].strip()}\n" for step in steps)
    return section(
        "Two sockets",
        prose(f"""
            [OpenVINO's walk-through]({WALK}) deploys a language model on a server of two sockets. It sets the
            machine up, takes an IR, measures it on one socket, then distributed over both, and reads off the
            latency of the first and the second token. With autotp, each step is a command.
        """),
        prose("""
            This was a machine of two cores, shown to OpenVINO as two sockets of one core each
            (`tests/evidence/walk_two_sockets.py`). The sub-streams are real and the sockets aren't, so the
            speeds say nothing about a real server of two sockets.
        """),
        fenced(shown),
    )
