"""The events of a tuning as lines of text."""

import msgspec
import pytest

from autotp.deploy.tuned import KnobEffect, Result, TunedBaseline
from autotp.findings.ceiling import Ceiling
from autotp.findings.interval import UNITY, Interval
from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling
from autotp.measuring.lock import Holder
from autotp.measuring.rounds.noise import Noise
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.report.progress import describe_event
from autotp.topology.health.advice import Advice
from autotp.tuning.events import (
    ArmEnded,
    BaselinesRaced,
    BudgetTooShort,
    ChanceLeft,
    Event,
    FinalsBegan,
    FinalsEnded,
    NoiseMeasured,
    PlayOffBegan,
    TuningBegan,
    VerdictReached,
    Waiting,
    WeatherCounted,
)
from tests.support.tuned_files import profile, tuned

F32 = {"inference_precision_hint": "f32"}
NO_SPLIT = Proof(state=ProofState.INERT, sub_streams=1, threads=4, threads_without=4)
GAIN = Interval(median=1.8412, low=1.8, high=1.87)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            ChanceLeft(chance=0.314, smallest_gain=1.012, measured=16),
            ["31 % that anything better by 1.2 % is left", "16 measured"],
        ),
        (
            TuningBegan(
                study="s",
                out="results/s",
                budget_s=300,
                configs=14,
                effective_configs=12,
                dropped=(("a", "b"),),
                workload=ClosedLoop(),
                warm_start=(2, 5),
                advice=(Advice(id="turbo", seen="turbo is on", why="it drifts", do="turn it off"),),
            ),
            [
                "s in results/s",
                "14 configs",
                "12",
                "5 min",
                "2 of the 5 best settings of the other tuning",
                "a: b",
                "health    turbo is on",
                "`autotp health` says",
            ],
        ),
        (
            BaselinesRaced(
                baseline={"performance_hint": "latency"},
                metrics={"throughput_per_s": 50.0, "latency_p50_s": 0.02, "memory_bytes": 5},
                aliases=({"performance_hint": "none"},),
                beyond_tolerance=(({"performance_hint": "throughput"}, "the error is 0.5"),),
                unproven=(({"num_streams": 1}, NO_SPLIT),),
            ),
            [
                "warning   performance_hint=throughput: the error is 0.5",
                "num_streams=1: tensor parallelism is INERT",
                "performance_hint=latency",
                "throughput 50/s",
                "latency_p50 20 ms",
                "performance_hint=none is the same",
            ],
        ),
        (
            BaselinesRaced(baseline={}, metrics={}, unchecked={"y": "differs from run to run"}),
            ["warning   output y isn't checked: it differs from run to run"],
        ),
        (
            BudgetTooShort(budget_s=20.0, shortest_s=33.24, start_s=0.4, block_s=0.055),
            [
                "budget    20 s is too short: a start takes 400 ms and a block 55 ms, "
                "so a verdict takes at least about 33.2 s: --budget 34s"
            ],
        ),
        (
            ArmEnded(trial=7, config=F32, status="OK", gain=GAIN, rounds=30, proof="active", reason="breaks x"),
            ["trial   7", "1.841× [1.800, 1.870]", "inference_precision_hint=f32", "[split active]", "(breaks x)"],
        ),
        (
            ArmEnded(trial=7, config=F32, status="OK", gain=GAIN, rounds=30, proof="inert"),
            ["[split INERT: the policy did nothing]"],
        ),
        (ArmEnded(trial=7, config=F32, status="OK", gain=GAIN, rounds=30, proof="capped"), ["[split CAPPED: "]),
        (ArmEnded(trial=8, config={}, status="CRASHED", reason="gone"), ["CRASHED", "no knob set", "(gone)"]),
        (
            ArmEnded(trial=9, config={"distribution_policy": "none", **F32}, status="OK", gain=GAIN, rounds=30),
            ["1.870]  inference_precision_hint=f32"],
        ),
        (
            FinalsBegan(finalists=(F32,), baselines=({"performance_hint": "latency"},), processes=6, rounds=100),
            ["6 fresh processes", "100 rounds", "inference_precision_hint=f32; against performance_hint=latency"],
        ),
        (
            Waiting(holder=Holder(pid=7, command="autotp tune m.xml", since="2026-11-23T05:00:00+00:00")),
            [
                "waiting   for process 7 (autotp tune m.xml, since 2026-11-23T05:00:00+00:00)",
                "the budget starts after",
            ],
        ),
        (Waiting(holder=Holder()), ["waiting   for another process, which"]),
        (
            NoiseMeasured(noise=Noise(smallest_gain=1.0123, block_s=0.02, errors={0.02: 0.01})),
            ["gains below about 1.012× may be too small to prove here", "blocks of 20 ms"],
        ),
        (
            WeatherCounted(blocks=90, repeated=5, kept=2),
            [
                "weather   5 blocks were run again because other programs took CPU time",
                "; 2 of the 90 that count were disturbed as well",
            ],
        ),
        (NoiseMeasured(reason="no memory"), ["noise     not measured, only the finals will show it: no memory"]),
        (
            PlayOffBegan(candidates=(F32, {}, {}, {})),
            ["play-off  4 candidates that may all be the best race again"],
        ),
        (FinalsBegan(finalists=(), baselines=(F32,), processes=6, rounds=10), [": none; against"]),
        (
            FinalsEnded(config=F32, gain=GAIN, noise_floor=1.012, processes=8),
            ["1.841×", "8 processes", "smallest provable gain here 1.012×"],
        ),
        (FinalsEnded(config=F32, gain=GAIN, noise_floor=None, processes=1), ["(1 processes)"]),
        (
            ArmEnded(trial=9, config={}, status="OK", gain=Interval(median=0.5, low=0.0, high=5e21), rounds=2),
            ["0.500× [too few rounds for an interval]"],
        ),
    ],
)
def test_an_event_is_described_in_words(event: Event, words: list[str]) -> None:
    """The lines of an event show its facts."""
    text = "\n".join(describe_event(event))
    assert not [word for word in words if word not in text]


def test_the_verdict_is_described_with_its_evidence() -> None:
    """The last lines name the verdict, the evidence, and the file."""
    won = Result(verdict=Ruling.WIN, gain=GAIN, baseline=TunedBaseline(config={"performance_hint": "throughput"}))
    lines = describe_event(VerdictReached(tuned=tuned(profile(F32, result=won)), path="results/s/tuned.yaml"))
    assert lines[1].startswith("WIN: 1.841 times as fast in throughput")
    assert "95 % interval" in lines[2]
    assert "results/s/tuned.yaml" in lines[3]
    explained = msgspec.structs.replace(won, effects=(KnobEffect(settings=F32, gain=GAIN),))
    lines = describe_event(VerdictReached(tuned=tuned(profile(F32, result=explained)), path="tuned.yaml"))
    assert "by the search alone: inference_precision_hint=f32 1.841× [1.800, 1.870]." in lines[3]
    weighed = msgspec.structs.replace(won, importance={"num_streams": 0.994, "nireq": 0.006})
    lines = describe_event(VerdictReached(tuned=tuned(profile(F32, result=weighed)), path="tuned.yaml"))
    assert lines[3].strip() == "What separates the best quarter of the search (PED-ANOVA): num_streams 99%."


@pytest.mark.parametrize(
    ("ceiling", "words"),
    [
        (Ceiling(fully_connected=0.42), "Fully connected layers take 42% of the time."),
        (
            Ceiling(fully_connected=0.42, sockets=2, tensor_parallel=1.2658, reading_weights=3.14159),
            "Fully connected layers take 42% of the time: tensor parallelism over 2 sockets can give about 1.27× "
            "at most; reading their weights for each inference allows about 3.14× at most.",
        ),
    ],
)
def test_what_bounds_a_gain_is_said_with_the_verdict(ceiling: Ceiling, words: str) -> None:
    """The line before the last gives the share of the time, and the bounds that are known."""
    tied = Result(verdict=Ruling.TIE, gain=UNITY, baseline=TunedBaseline(config={}), ceiling=ceiling)
    lines = describe_event(VerdictReached(tuned=tuned(profile(result=tied)), path="tuned.yaml"))
    assert lines[-2].strip() == words


def test_what_stays_proven_is_described_with_whose_it_is() -> None:
    """Where nothing new was proven, the lines say why, and what the file still holds, and of what."""
    unknown = Result(
        verdict=Ruling.UNKNOWN, gain=UNITY, baseline=TunedBaseline(config={}), reason="the budget was too short"
    )
    kept = tuned(profile(F32, result=msgspec.structs.replace(unknown, verdict=Ruling.WIN)))
    event = VerdictReached(tuned=tuned(profile(result=unknown)), path="/srv/out/tuned.yaml", kept=kept)
    _, found, why, stays = describe_event(event)
    assert found == "UNKNOWN: Can't tell whether anything is faster in throughput than OpenVINO's best hint."
    assert why.strip() == "Why: the budget was too short."
    assert "/srv/out/tuned.yaml stays as it was" in stays
    assert "WIN of study 'model-throughput' (of /srv/out/model.xml, begun 2026-07-30 12:00 UTC)" in stays


def test_an_unknown_event_is_a_mistake_of_ours() -> None:
    """An event without a text is a TypeError."""
    with pytest.raises(TypeError, match="no words for Event"):
        describe_event(Event())
