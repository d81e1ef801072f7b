"""The kernel's notations for sets of CPUs, both ways, and the refusal of everything else."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.topology.tree.cpulist import MAX_ID, format_cpulist, parse_cpulist, parse_cpumask

CPU_SETS = st.sets(st.integers(0, MAX_ID), max_size=50)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("", ()),
        ("0", (0,)),
        ("0-3,8\n", (0, 1, 2, 3, 8)),
        ("8, 0-1", (0, 1, 8)),
        ("2,1-3", (1, 2, 3)),
        (f"{MAX_ID}", (MAX_ID,)),
    ],
)
def test_lists_are_read(text: str, cpus: tuple[int, ...]) -> None:
    """Ranges, single ids, blanks and overlaps give the sorted ids."""
    assert parse_cpulist(text) == cpus


@pytest.mark.parametrize(
    "text",
    ["0-", "-1", "3-1", "a", "0,,1", "0,", "0-4000000000", f"{MAX_ID + 1}", "0x1", "1_0", "٣", "0-1-2"],
)
def test_damaged_lists_are_refused(text: str) -> None:
    """Half a range, words, foreign digits and impossible ids are errors, at once and without memory."""
    with pytest.raises(ValueError, match=r"id|backwards"):
        parse_cpulist(text)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0", ()), ("f", (0, 1, 2, 3)), ("00000001,00000001\n", (0, 32)), ("1,0,80000000", (31, 64))],
)
def test_masks_are_read(text: str, cpus: tuple[int, ...]) -> None:
    """Words of 32 bits come highest first; a word may lack its leading zeros."""
    assert parse_cpumask(text) == cpus


@pytest.mark.parametrize("text", ["", "g", "0x1", "123456789", "1,", "1" + ",00000000" * 600])
def test_damaged_masks_are_refused(text: str) -> None:
    """Words that aren't hexadecimal or too long, and impossible ids, are errors."""
    with pytest.raises(ValueError, match="mask"):
        parse_cpumask(text)


def test_long_masks_of_zeros_are_read() -> None:
    """A kernel built for 8192 CPUs writes 256 words even where few CPUs exist."""
    assert parse_cpumask("00000000," * 255 + "00000003") == (0, 1)


@given(CPU_SETS)
def test_a_list_survives_the_round_trip(cpus: set[int]) -> None:
    """What is formatted is parsed to the same ids."""
    assert parse_cpulist(format_cpulist(cpus)) == tuple(sorted(cpus))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the parsers fail in any other way than by ValueError."""
    for parser in (parse_cpulist, parse_cpumask):
        with suppress(ValueError):
            assert all(0 <= cpu <= MAX_ID for cpu in parser(text))


def test_formatting_joins_neighbours() -> None:
    """Runs of ids become ranges, whatever their order."""
    assert format_cpulist((8, 3, 2, 1, 0)) == "0-3,8"
    assert format_cpulist(()) == ""
