"""What OpenVINO reads about a machine, where that can't be predicted."""

from pathlib import Path

import msgspec

from autotp.space.cpu_plugin.processors import read_machine, split_places
from autotp.topology.probe import probe
from tests.support.recorded_files import in_memory
from tests.support.trees import Described, build


def test_a_machine_that_its_files_do_not_list_is_not_predicted() -> None:
    """OpenVINO reads the files, so what it makes of other CPUs is unknown, and real sockets stand in."""
    with in_memory() as folder:
        machine = probe(build(Described(sockets=2, cores_per_node=2), Path(folder) / "root")).machine
    unlisted = msgspec.structs.replace(machine, listed=False)
    assert read_machine(machine) is not None
    assert read_machine(unlisted) is None
    assert split_places(unlisted, (0, 1, 2, 3)) == split_places(machine, (0, 1, 2, 3)) == ((0, 1), (2, 3))
