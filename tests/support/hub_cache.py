"""Models as the cache of a model hub holds them: links to files whose names say nothing."""

from pathlib import Path


def cached(model: Path, hub: Path, repository: str = "org--name", revision: str = "4f1c") -> Path:
    """Move `model` (an IR's .xml) into the cache `hub` and return the folder of its snapshot."""
    folder = hub / f"models--{repository}"
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    for number, suffix in enumerate((".xml", ".bin")):
        blob = f"{number}{revision}"
        model.with_suffix(suffix).rename(folder / "blobs" / blob)
        (snapshot / f"openvino_model{suffix}").symlink_to(f"../../blobs/{blob}")
    return snapshot
