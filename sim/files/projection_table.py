"""The tables ``[[projections]]`` of a network file (docs/formats.md, 8)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from sim.files import edge_file
from sim.files.edge_columns import NUMBERS
from sim.files.rule_table import read_rule
from sim.files.tables import Table, TableReader, TomlValue
from sim.network.connect import (
    connect_edges,
    connect_fixed_in_degree,
    connect_small_world,
    make_matrix,
)
from sim.network.listed import Listed
from sim.network.network import Projection
from spiketheory.reading import show

PROJECTION = ("pre", "post", "connect", "weight", "weights", "edges", "delay")
MORE = ("mask", "port", "learn", "rule", "file", "group", "scale")
PATTERNS = ("all", "one_to_one", "in_degree", "small_world")
ONE_OF = ("weights", "edges", "weight")


# Long: the fields of a table, in their order.
def read_projection(
    reader: TableReader, table: TomlValue, sizes: Mapping[str, int], where: str, *, version: int,
    stream: int,
) -> Projection:  # fmt: skip
    """Read one projection.

    Args:
        reader: The reader of its file.
        table: Its table.
        sizes: Numbers of neurons and channels by name.
        where: What the table is called in messages.
        version: Format of the file.
        stream: The projection's place, which tells apart what rules draw.
    """
    reader.check(table, where, (*PROJECTION, *(MORE if version > 1 else ())), ("pre", "post"))
    pre, post = (reader.text(table[end], f"{end} of {where}") for end in ("pre", "post"))
    for end in (pre, post):
        if end not in sizes:
            raise reader.fail(
                f"pre and post of {where} among {', '.join(sizes)}", show(end), "correct it"
            )
    shape = (sizes[post], sizes[pre])
    if "file" in table:
        listed = read_edge_table(reader, table, shape, where)
        return Projection(pre=pre, post=post, weights=listed)
    if "rule" in table:
        return Projection(
            pre=pre, post=post, weights=read_rule(reader, table, sizes, where, stream=stream)
        )
    given = [key for key in ONE_OF if key in table]
    if len(given) != 1:
        raise reader.fail(
            f"one of weight, weights and edges in {where}", f"{len(given)}", "give one of them"
        )
    mask = None
    if version > 1:
        mask = read_mask(reader, table, given[0], shape, where)
    if given[0] == "edges":
        weights: Any = connect_edges(read_edges(reader, table["edges"], where), *shape)
    elif given[0] == "weights":
        weights = reader.rows(table["weights"], f"weights of {where}")
        mask = weights != 0 if version == 1 else mask
    else:
        if mask is None:
            given_pattern = table.get("connect", {"all": True} if version == 1 else "all")
            sources, targets = draw_pattern(reader, given_pattern, shape, where, same=pre == post)
        else:
            targets, sources = np.nonzero(mask)
            mask = None
        values = reader.values(table["weight"], len(sources), f"weight of {where}")
        if np.ndim(values) and len(values) != len(sources):
            raise reader.fail(
                f"one weight for each of the {len(sources)} connections of {where}",
                f"{len(values)}", "give as many, or one number for all",
            )  # fmt: skip
        weights = make_matrix(sources, targets, values, shape)
    plain = Projection(pre=pre, post=post, weights=weights, mask=mask)
    if "delay" not in table:
        return plain
    delays = read_delays(reader, table["delay"], plain, where, version=version)
    return Projection(pre=pre, post=post, weights=weights, mask=mask, delays=delays)


def read_edge_table(
    reader: TableReader, table: Table, shape: tuple[int, int], where: str
) -> Listed:
    """The connections of a projection that are in a file of their own."""
    others = ("connect", "weights", "edges", "mask", "rule")
    other = [name for name in others if name in table]
    if other:
        raise reader.fail(f"file in {where} alone", f"{other[0]}, too", "leave one out")
    scale = reader.check(table.get("scale", {}), f"scale of {where}", NUMBERS, ())
    return edge_file.read_edges(
        reader.path.parent / reader.text(table["file"], f"file of {where}"),
        (table["pre"], table["post"]), shape,
        group=reader.text(table["group"], f"group of {where}") if "group" in table else None,
        given={
            name: reader.number(table[name], f"{name} of {where}")
            for name in NUMBERS
            if name in table
        },
        scale={name: reader.number(v, f"scale of {where}") for name, v in scale.items()},
    )  # fmt: skip


def read_edges(reader: TableReader, given: TomlValue, where: str) -> np.ndarray:
    """The edges of a projection, shape (n_edges, 3)."""
    if given == []:
        return np.empty((0, 3))
    edges = reader.rows(given, f"edges of {where}")
    if edges.shape[1] != 3:
        raise reader.fail(
            f"[pre, post, weight] for every edge of {where}", f"{edges.shape[1]} numbers",
            "write these three",
        )  # fmt: skip
    return edges


def read_mask(
    reader: TableReader, table: Table, given: str, shape: tuple[int, int], where: str
) -> np.ndarray | None:
    """The mask of a projection, if it has one; what else says what is connected is refused."""
    if given != "weight" and "connect" in table:
        raise reader.fail(
            f"connect of {where} with weight", f"it with {given}", "use mask, or leave it out"
        )
    if "mask" not in table:
        return None
    if given == "edges" or "connect" in table:
        other = "edges" if given == "edges" else "connect"
        raise reader.fail(
            f"either mask or {other} in {where}", "both", "say once what is connected"
        )
    rows = [reader.listed(row, f"mask of {where}") for row in reader.listed(table["mask"], "mask")]
    if any(len(row) != shape[1] for row in rows) or len(rows) != shape[0]:
        raise reader.fail(
            f"{shape[0]} rows of {shape[1]} in mask of {where}, [post][pre]",
            f"{len(rows)} rows of {sorted({len(row) for row in rows})}", "correct it",
        )  # fmt: skip
    wrong = [value for row in rows for value in row if not isinstance(value, bool)]
    if wrong:
        raise reader.fail(
            f"true or false in mask of {where}", show(wrong[0]), "write true for a connection"
        )
    return np.array(rows, dtype=bool).reshape(shape)


def read_delays(
    reader: TableReader, given: TomlValue, plain: Projection, where: str, *, version: int
) -> Any:
    """The delays of a projection: a number, or a matrix of the kind of its weights."""
    name, matrix = f"delay of {where}", plain.matrix
    if version == 1:
        return reader.number(given, name)
    values = reader.values(given, matrix.nnz, name)
    if np.ndim(values) == 0:
        return values
    if len(values) != matrix.nnz:
        raise reader.fail(
            f"one delay for each of the {matrix.nnz} connections of {where}", f"{len(values)}",
            "give as many, or one number for all",
        )  # fmt: skip
    entries = scipy.sparse.coo_array((values, (matrix.row, matrix.col)), shape=matrix.shape)
    return entries if scipy.sparse.issparse(plain.weights) else entries.toarray()


def draw_pattern(
    reader: TableReader, given: TomlValue, shape: tuple[int, int], where: str, *, same: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets of the connections; a population does not connect to itself."""
    kind = next(iter(given), "") if isinstance(given, dict) else given
    n_post, n_pre = shape
    if kind == "in_degree" and isinstance(given, dict):
        degree = reader.whole(given[kind], f"in_degree of {where}")
        matrix = connect_fixed_in_degree(
            n_post, n_pre, degree, 1.0, reader.rng, self_connections=not same
        )
    elif kind == "small_world" and same and isinstance(given, dict):
        options = reader.check(given[kind], f"small_world of {where}", ("neighbours", "rewired"),
                               ("neighbours", "rewired"))  # fmt: skip
        matrix = connect_small_world(
            n_pre, reader.whole(options["neighbours"], "neighbours"),
            reader.number(options["rewired"], "rewired"), 1.0, reader.rng,
        )  # fmt: skip
    elif kind == "one_to_one" and n_post == n_pre:
        return np.arange(n_pre), np.arange(n_post)
    elif kind == "all":
        targets, sources = np.divmod(np.arange(n_post * n_pre), n_pre)
        kept = (sources != targets) | (not same)
        return sources[kept], targets[kept]
    else:
        raise reader.fail(
            f"connect of {where} to be one of {', '.join(PATTERNS)} that fits the sizes",
            show(given), "see docs/formats.md, 8",
        )  # fmt: skip
    return matrix.col, matrix.row
