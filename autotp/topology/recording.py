"""`autotp probe --record DIR`: writes the files that the probe and the health check read, without private data.

Probing the recording gives the same result as probing the machine. This process's CPUs are recorded as
`Cpus_allowed_list`. The processor's name and OpenVINO's version, which no file of the kernel holds, are recorded
in a folder `autotp`.
"""

import shutil
import tempfile
from pathlib import Path

from autotp.errors import InputError
from autotp.files.atomic import writable_folder
from autotp.topology.envelope.cpuset import ALLOWED_FIELD, CPUSET_FILES, STATUS, CpusReason
from autotp.topology.fingerprint import OPENVINO
from autotp.topology.hardware.cpuinfo import BRAND
from autotp.topology.health.health import advise
from autotp.topology.privacy import public_groups, public_path, public_text
from autotp.topology.probe import Topology, read_topology
from autotp.topology.tree.cpulist import format_cpulist
from autotp.topology.tree.tree import Tree, printable


def record(folder: Path, root: Path | None = None, brand: str | None = None) -> Topology:
    """Write a recording of the live machine, or of the tree below `root`, and return its topology.

    `brand` is the processor's name to record.

    Raises:
        InputError: `folder` exists and isn't an empty folder, or can't be written.
        TopologyError: as for `probe`.
    """
    place = _free_place(folder)
    tree = Tree(root)
    topology = read_topology(tree)
    advise(tree, topology)
    texts = _public_texts(tree, topology) | {BRAND: printable(brand or "")}
    folders = [public_path(f"{parent}/{name}", {}) for parent, names in tree.listed.items() for name in names]
    writable_folder(place.parent)
    try:
        _write(place, {path: text for path, text in texts.items() if text}, folders)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return topology


def _free_place(folder: Path) -> Path:
    try:
        place = folder.resolve()
        taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
    except (OSError, RuntimeError) as error:
        raise _unwritable(folder, error) from error
    if taken:
        shown = printable(str(folder))
        raise InputError(f"{shown} exists already and isn't an empty folder; give another one for the recording.")
    return place


def _unwritable(folder: Path, error: OSError | RuntimeError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is a loop of links"
    return InputError(f"Can't write the recording {printable(str(folder))}: {reason}.")


def _public_texts(tree: Tree, topology: Topology) -> dict[str, str]:
    """Return the texts to record, by path in the recording."""
    envelope, stand_ins = topology.envelope, dict[str, str]()
    texts = public_groups(tree, stand_ins)
    for path, text in tree.texts.items():
        folder, _, name = path.rpartition("/")
        # In a recording the cpuset decides the CPUs, so one that doesn't explain them is left out.
        if name in CPUSET_FILES and envelope.reasons.cpus is CpusReason.UNKNOWN:
            continue
        if kept := public_text(path, text):
            texts.setdefault(f"{public_path(folder, stand_ins)}/{name}", kept)
    openvino = topology.fingerprint.soft["openvino"]
    return texts | {
        STATUS: f"{ALLOWED_FIELD}\t{format_cpulist(envelope.cpus)}",
        OPENVINO: openvino if isinstance(openvino, str) else "",
    }


def _write(place: Path, texts: dict[str, str], folders: list[str]) -> None:
    """Write the recording into a temporary folder beside `place` and rename it: it is complete or absent."""
    draft = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name[:100]}."))
    try:
        for folder in ("proc", "sys", *folders):
            (draft / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            file = draft / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n", errors="surrogateescape")
        draft.chmod(0o755)
        draft.rename(place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
