"""Files of connections: the same from every format, and damage is refused in words."""

import re

import numpy as np
import pytest
import scipy.sparse

from derivations import compile_model
from sim.files.edge_file import read_edges
from sim.files.network_file import read_network_file
from spiketheory.errors import InputError

PRE, POST = np.array([0, 4, 2, 0]), np.array([1, 0, 2, 2])
WEIGHT, DELAY = np.array([0.5, -1.0, 2.0, 0.25]), np.array([1.0, 0.1, 0.2, 1.0])
COLUMNS = {"pre": PRE, "post": POST, "weight": WEIGHT, "delay": DELAY}
ENDS, SHAPE = ("world", "net"), (3, 5)


def write_csv(path, columns):
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))


def write_npz(path, columns):
    np.savez(path, **columns)


def write_hdf5(path, columns):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file[name] = column


FORMATS = {".csv": write_csv, ".npz": write_npz, ".h5": write_hdf5}


def write_sonata(path, *, populations=ENDS, name="world_to_net", groups=(0, 0, 1, 1)):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "a") as file:
        place = file.create_group(f"edges/{name}")
        place["source_node_id"], place["target_node_id"] = PRE, POST
        for key, population in zip(("source", "target"), populations, strict=True):
            place[f"{key}_node_id"].attrs["node_population"] = population
        place["edge_type_id"] = np.zeros(4, int)
        place["edge_group_id"] = np.array(groups)
        place["edge_group_index"] = [0, 1, 1, 0]
        for group, order in ((0, [0, 1]), (1, [3, 2])):
            place[f"{group}/syn_weight"] = WEIGHT[order]
            place[f"{group}/delay"] = 10.0 * DELAY[order]


def check(listed, weight=WEIGHT, delay=DELAY):
    assert listed.shape == SHAPE
    assert listed.sources.tolist() == PRE.tolist()
    assert listed.targets.tolist() == POST.tolist()
    assert np.broadcast_to(listed.weights, 4).tolist() == np.broadcast_to(weight, 4).tolist()
    assert np.broadcast_to(listed.delays, 4).tolist() == np.broadcast_to(delay, 4).tolist()


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_holds_the_same(tmp_path, suffix):
    path = tmp_path / f"edges{suffix}"
    FORMATS[suffix](path, COLUMNS)
    check(read_edges(path, ENDS, SHAPE))
    scaled = read_edges(path, ENDS, SHAPE, scale={"weight": 2.0, "delay": 0.5})
    check(scaled, 2 * WEIGHT, DELAY / 2)
    FORMATS[suffix](path, {"post": POST, "pre": PRE})
    check(read_edges(path, ENDS, SHAPE, given={"weight": 3.0}), 3.0, 0.0)
    check(read_edges(path, ENDS, SHAPE, given={"weight": 3.0, "delay": 0.5}), 3.0, 0.5)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_groups_hold_the_connections_of_several_populations(tmp_path, suffix):
    path = tmp_path / f"edges{suffix}"
    mine = {f"world->net/{name}": column for name, column in COLUMNS.items()}
    other = {"net->net/pre": PRE[:1], "net->net/post": POST[:1], "net->net/weight": WEIGHT[:1]}
    FORMATS[suffix](path, mine | other)
    check(read_edges(path, ENDS, SHAPE))
    check(read_edges(path, ("a", "b"), SHAPE, group="world->net"))
    assert read_edges(path, ("net", "net"), (3, 3)).weights.tolist() == [0.5]
    with pytest.raises(InputError, match=r"Expected 'a->b' among the groups of .* 'world->net'"):
        read_edges(path, ("a", "b"), SHAPE)


def test_lines_of_other_populations_are_left_out(tmp_path):
    path = tmp_path / "edges.csv"
    lines = ["pre_population,pre,post_population,post,weight,delay"]
    for k in range(4):
        lines.append(f"net,{k},net,0,9.0,9.0")
        lines.append(f"world, {PRE[k]},net,{POST[k]} ,{WEIGHT[k]},{DELAY[k]}")
        lines.append("")
    path.write_text("\n".join(lines))
    check(read_edges(path, ENDS, SHAPE))
    path.write_text("\n".join(lines).replace("world, 2", "world,5"))
    with pytest.raises(InputError, match=r"pre from 0 to 4 in .*edges.csv but line 9 has 5;"):
        read_edges(path, ENDS, SHAPE)


def test_sonata_edges_are_found_by_their_node_populations(tmp_path):
    path = tmp_path / "edges.h5"
    write_sonata(path)
    write_sonata(path, populations=("net", "net"), name="net_to_net")
    scale = {"delay": 0.1}
    check(read_edges(path, ENDS, SHAPE, scale=scale))
    check(read_edges(path, ("a", "b"), SHAPE, group="world_to_net", scale=scale))
    with pytest.raises(InputError, match=r"Expected one edge population from a to b in .* got 0"):
        read_edges(path, ("a", "b"), SHAPE)
    with pytest.raises(InputError, match=r"Expected the edge population 'x' in .* it has net_to_n"):
        read_edges(path, ("a", "b"), SHAPE, group="x")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("edge_group_id", "Expected the data set edge_group_id in /edges/world_to_net of"),
        ("target_node_id", "Expected target_node_id with the attribute node_population in"),
        ("1/syn_weight", "Expected syn_weight in all groups of /edges/world_to_net of .* 1 of 2"),
    ],
)
def test_what_sonata_lacks_is_named(tmp_path, missing, message):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "edges.h5"
    write_sonata(path)
    with h5py.File(path, "a") as file:
        del file["edges/world_to_net"][missing]
    with pytest.raises(InputError, match=message):
        read_edges(path, ENDS, SHAPE)


def test_sonata_without_weights_takes_one_for_all(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "edges.h5"
    write_sonata(path, groups=(0, 0, 0, 0))
    with h5py.File(path, "a") as file:
        for name in ("syn_weight", "delay"):
            del file[f"edges/world_to_net/0/{name}"]
    with pytest.raises(InputError, match=r"Expected weight in .*edges.h5 but got pre, post; add"):
        read_edges(path, ENDS, SHAPE)
    check(read_edges(path, ENDS, SHAPE, given={"weight": 1.5}), 1.5, 0.0)


BAD = [
    ("pre", 1, 5, "Expected pre from 0 to 4 in .* but {1} has 5; count neurons from 0"),
    ("post", 3, -1, "Expected post from 0 to 2 in .* but {3} has -1; count"),
    ("weight", 2, np.nan, "Expected finite numbers for weight in .* but {2} has nan; correct"),
    ("delay", 0, np.inf, "Expected finite numbers for delay in .* but {0} has inf; correct"),
    ("delay", 1, 0.0, "Expected delays > 0 in .* but {1} has 0.0; leave the column out"),
    ("delay", 1, -0.5, "Expected delays > 0 in .* but {1} has -0.5; leave the column out"),
    ("post", 0, 2, "Expected each connection once in .* but {3} has 0 -> 2 again; add up"),
]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("name", "place", "value", "message"), BAD)
def test_a_bad_connection_is_named(tmp_path, suffix, name, place, value, message):
    path = tmp_path / f"edges{suffix}"
    column = COLUMNS[name].copy()
    column[place] = value
    FORMATS[suffix](path, COLUMNS | {name: column})
    places = [f"line {k + 2}" if suffix == ".csv" else f"entry {k}" for k in range(4)]
    with pytest.raises(InputError) as caught:
        read_edges(path, ENDS, SHAPE)
    assert re.search(message.format(*places), str(caught.value)), str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delay": DELAY[:3]}, "Expected as many numbers for delay as for pre, 4, in .* but got 3"),
        ({"pre": PRE * 1.0}, "Expected whole numbers in a row for pre of .* float64 of shape"),
        ({"post": POST[:, None]}, r"Expected whole numbers in a row for post of .* \(4, 1\)"),
        ({"wait": DELAY}, "Expected the columns pre, post, weight, delay in .* but got 'wait'"),
    ],
)
def test_bad_columns_are_named(tmp_path, suffix, change, message):
    path = tmp_path / f"edges{suffix}"
    FORMATS[suffix](path, COLUMNS | change)
    with pytest.raises(InputError, match=message):
        read_edges(path, ENDS, SHAPE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pre,post\n0,1\n0\n", "Expected 2 fields in each line of .* but line 3 has 1; correct"),
        ("pre,post\n0,1\n\n0,1.0\n", "Expected a whole number for post in .* line 4 has '1.0'"),
        ("pre,post,weight\n0,1,x\n", "Expected a number for weight in .* but line 2 has 'x'"),
        ("pre,pre\n0,1\n", "Expected each column once in .* but got pre, pre; rename"),
        ("pre,from\n0,1\n", "Expected the columns .* and of populations in .* but got 'from'"),
        ("post\n0\n", "Expected pre and post in .* but got post; add pre"),
        ("", "Expected pre and post in .* but got nothing; add pre"),
        ("pre,post\n0,\0\n", "Expected .* in .*edges.csv"),
        ("pre,post\n0,99999999999999999999\n", "Expected a whole number for post in .* line 2"),
    ],
)
def test_a_text_that_is_no_list_of_connections_is_refused(tmp_path, text, message):
    path = tmp_path / "edges.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_edges(path, ENDS, SHAPE, given={"weight": 1.0})


def test_files_that_are_none_are_refused(tmp_path):
    for name, message in (
        ("edges.txt", r"Expected an edge file that ends in .csv, .npz, .h5 or .hdf5 but got"),
        ("edges.csv", "is no UTF-8|codec can't decode"),
        ("edges.npz", "it is not an .npz archive"),
        ("edges.h5", "reading it failed"),
    ):
        (tmp_path / name).write_bytes(b"\xff\xfe\xff")
        with pytest.raises(InputError, match=message):
            read_edges(tmp_path / name, ENDS, SHAPE)
    with pytest.raises(InputError, match="No such file"):
        read_edges(tmp_path / "none.npz", ENDS, SHAPE)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="it is no file"):
        read_edges(tmp_path / "folder.csv", ENDS, SHAPE)


NETWORK = """
version = 2
[network]
duration = 5.0
[populations.net]
model = "theta"
size = 3
[inputs.world]
size = 5
[[projections]]
pre = "world"
post = "net"
file = "edges.csv"
scale = {delay = 2.0}
"""


def test_a_network_file_names_an_edge_file_beside_it(tmp_path):
    def read(text):
        (tmp_path / "network.toml").write_text(text)
        return read_network_file(
            tmp_path / "network.toml",
            compile_model=lambda name: compile_model(name, backend="numpy"),
        ).network

    write_csv(tmp_path / "edges.csv", COLUMNS)
    (projection,) = read(NETWORK).projections
    wanted = scipy.sparse.coo_array((WEIGHT, (POST, PRE)), shape=SHAPE).toarray()
    assert (projection.matrix.toarray() == wanted).all()
    assert projection.edge_delays.tolist() == (2 * DELAY).tolist()
    for more, message in (
        ("weight = 1.0", "Expected weight either in .*edges.csv or beside it but got both"),
        ("edges = []", r"Expected file in \[\[projections\]\] 1 alone in .* but got edges, too"),
        ("group = 'x'", "Expected no group of .*edges.csv but got 'x'; name populations in"),
    ):
        with pytest.raises(InputError, match=message):
            read(NETWORK + more)
