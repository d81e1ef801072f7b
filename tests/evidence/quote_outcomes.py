"""Write what the pages quote of `results/reference/` and of the code, so that no figure is typed by hand.

    python -m tests.evidence.quote_outcomes

`PAGES` says which page holds which sections. A page with an opening is written as a whole: the opening, then
its sections one after the other. In the others a section goes between `<!-- NAME -->` and `<!-- end -->`, where
NAME is that of the function which makes it.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.evidence.pages import field_cases, language, method, reference, search, spaces, tunings

ROOT = Path(__file__).parents[2]

Section = Callable[[], str]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page and the sections that are made for it; with an `opening` it's generated as a whole."""

    path: str
    sections: tuple[Section, ...]
    opening: Section | None = None

    def written(self, current: str) -> str:
        """Return the page as the outcomes have it, where it reads `current` now."""
        if self.opening:
            return "\n\n".join(section() for section in (self.opening, *self.sections)) + "\n"
        for section in self.sections:
            current = self._replaced(current, section)
        return current

    def _replaced(self, text: str, section: Section) -> str:
        name = section.__name__
        marked = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.S)
        quoted = f"<!-- {name} -->\n{section()}\n<!-- end -->"
        text, count = marked.subn(lambda _: quoted, text)
        if count != 1:
            raise ValueError(f"{self.path} has {count} sections called {name}")
        return text


PAGES = (
    Page(path="README.md", sections=(tunings.win, method.trust)),
    Page(path="search_spaces/README.md", sections=(spaces.spaces, spaces.knobs)),
    Page(path="autotp/deploy/README.md", sections=(method.load_overhead,)),
    Page(
        path="results/reference/README.md",
        opening=reference.opening,
        sections=(
            tunings.recogniser,
            tunings.others,
            method.judge,
            method.benchmark_app,
            method.asked_of_the_method,
            method.effective,
            method.judged_later,
            method.knob_effects,
            tunings.quota,
            language.language_model,
            language.genai,
            language.large,
            language.split,
            language.two_sockets,
            method.command_times,
            search.recorded_tables,
            search.public_tables,
            search.landscape,
            search.proposing,
            field_cases.demo_wins,
            field_cases.field_cases,
        ),
    ),
)


def main() -> int:
    """Write all pages."""
    for page in PAGES:
        path = ROOT / page.path
        path.write_text(page.written("" if page.opening else path.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
