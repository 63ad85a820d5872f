"""Writes the pinned numbers: `python tests/pinned/write_pinned.py [NAME ...]`; all without names.

What a file already holds of random numbers is kept, so that a later run pins the same networks
even if NumPy draws otherwise then; delete the file of a network whose definition was changed.
Whoever pins anew says in the commit why the numbers moved, and by how much. One machine writes all
files: `machine.json` names it.
"""

import sys

import numpy as np
from pinned_networks import NETWORKS
from pinned_store import MACHINE, describe_machine, get_path, read, write, write_machine


def main(names: list[str]) -> None:
    """Compute networks and store them."""
    if names and describe_machine() != MACHINE:
        sys.exit("Expected the machine of machine.json; without names everything is written anew.")
    for name in names or NETWORKS:
        network = NETWORKS[name]
        drawn = read(name)[0] if get_path(name).exists() else network.draw()
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            write(name, drawn, network.compute(drawn))
    if not names:
        write_machine()


if __name__ == "__main__":
    main(sys.argv[1:])
