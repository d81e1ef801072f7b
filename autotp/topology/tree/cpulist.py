"""Parsers for the kernel's two notations for a set of CPUs or nodes: `0-3,8` and the mask `00000001,0000010f`.

The formats are those of `bitmap_parselist` and `%*pb[l]`: Documentation/admin-guide/cputopology.rst in the
kernel's sources. Ids are checked before a range is expanded, so that a damaged `0-4000000000` takes no memory.
"""

import re
from collections.abc import Iterable, Iterator

# Twice the most CPUs that any architecture's Kconfig allows (8192, x86 with MAXSMP and powerpc).
MAX_ID = 16_383

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)
_WORD = re.compile(r"[0-9a-fA-F]{1,8}", re.ASCII)
_WORD_BITS = 32


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Return the sorted ids of a list such as `0-3,8`; none for an empty text.

    Raises:
        ValueError: `text` isn't such a list, or an id is above `MAX_ID`.
    """
    ids: set[int] = set()
    for item in text.strip().split(",") if text.strip() else ():
        ids.update(_id_range(item.strip()))
    return tuple(sorted(ids))


def _id_range(item: str) -> range:
    match = _RANGE.fullmatch(item)
    if match is None:
        raise ValueError(f"{item[:40]!r} is not an id or a range of ids such as 0-3")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise ValueError(f"the range {item!r} runs backwards")
    if last > MAX_ID:
        raise ValueError(f"{item!r} goes beyond the highest id possible, {MAX_ID}")
    return range(first, last + 1)


def parse_cpumask(text: str) -> tuple[int, ...]:
    """Return the sorted ids of a mask: hexadecimal words of 32 bits, the highest first, separated by commas.

    Raises:
        ValueError: `text` isn't such a mask, or an id is above `MAX_ID`.
    """
    bits = 0
    for word in text.strip().split(","):
        if _WORD.fullmatch(word) is None:
            raise ValueError(f"{word[:40]!r} is not a hexadecimal word of a CPU mask")
        bits = bits << _WORD_BITS | int(word, 16)
        if bits.bit_length() > MAX_ID + 1:
            raise ValueError(f"the mask goes beyond the highest id possible, {MAX_ID}")
    return tuple(_ones(bits))


def _ones(bits: int) -> Iterator[int]:
    # Most masks of a large machine name a few CPUs of thousands, so only the ones are visited.
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def format_cpulist(cpus: Iterable[int]) -> str:
    """Return the shortest list for these ids, such as `0-3,8`; empty for none."""
    runs: list[tuple[int, int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], cpu)
        else:
            runs.append((cpu, cpu))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
