"""The wheel as people install it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

Command = list[str | Path]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout; skipped where the build's own requirements can't be fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    command: Command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder,
        ROOT,
    ]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"pip can't build a wheel here: {built.stderr.strip().splitlines()[-1]}")
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_spaces_and_the_types_marker(wheel: Path) -> None:
    """The spaces lie inside the package, next to py.typed, and no test or result goes along."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"autotp/search_spaces/default.yaml", "autotp/py.typed"} <= set(names)
    assert all(
        name.split("/")[0] in {"autotp", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
        for name in names
    )


def test_installed_wheel_finds_its_space_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """An installed wheel needs no checkout for `--space default`."""
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install: Command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        site,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); from autotp.cli import main; "
        "sys.argv[1:] = ['space', 'default']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "space default" in done.stdout
    probe = f"import sys; sys.path.insert(0, {str(site)!r}); import autotp; print(autotp.__file__)"
    where = subprocess.run([sys.executable, "-c", probe], cwd=empty, capture_output=True, text=True)
    assert where.stdout.startswith(str(site))
