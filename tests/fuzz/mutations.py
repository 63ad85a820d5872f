"""Damage to files: hostile values in a tree of plain values, and damage to bytes.

Everything is drawn by Hypothesis, so that equal seeds give equal files.
"""

import copy
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tomli_w
from hypothesis import strategies as st

HUGE = {"@400@": "9" * 400, "@5000@": "7" * 5000, "@hex@": "0x" + "f" * 5000}
"""Numbers that writers refuse, put in as text."""
DEEP: Any = 1
for _ in range(90):
    DEEP = [DEEP]

HOSTILE: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 0.5, -0.0, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"),
    10**9, 10**12, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, *HUGE, "", "a", "x\x1b[2J\u202e",
    "theta", "lif", "no such model", "../../etc/passwd", "/dev/zero", "inf", "1", "é" * 50,
    [], {}, True, False, [[]], [{}], [[1.0], [1.0, 2.0]], [["a"]], [None], [True], [0], [-1],
    [10**9], [float("nan")], {"a": 1}, {"normal": [0, 1]}, {"normal": [0, -1]},
    {"uniform": [0, float("inf")]}, {"uniform": [-1e308, 1e308]}, {"in_degree": 10**9},
    {"small_world": {"neighbours": 2, "rewired": 2.0}}, DEEP,
)  # fmt: skip

PIECES = (
    b"[", b"]", b"{", b"}", b'"', b"'", b"=", b"\n", b"\0", b"\xff", b"\x1b", b"9" * 400, b"nan",
    b'"""', b"\xef\xbb\xbf", b"#", b"[[", b"e999999", b"\\u", b"PK\x03\x04",
)  # fmt: skip

ARRAYS: tuple[Any, ...] = (
    np.array(0), np.array(-1), np.array(10**12), np.array(np.inf), np.array(np.nan), np.array([]),
    np.array("theta"), np.array("x\x1b"), np.array(["a", "b"]), np.array([True]), np.array(1j),
    np.array([1.0, 2.0]), np.array([[1.0, 2.0]]), np.zeros((0, 3)), np.zeros((2, 2, 2)),
    np.full((3, 3), np.nan), np.full(4, -1), np.array([2**63], dtype=np.uint64),
    np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]), np.array([{}], dtype=object),
    np.array("2020-01-01", dtype="M8[D]"), np.array(b"theta"), np.array([1e308, -1e308]),
    np.arange(100), np.zeros((1, 0)), np.ones(3, dtype=np.float16), np.array([], dtype="U1"),
)  # fmt: skip


def list_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in a tree."""
    yield path
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from list_paths(inner, (*path, key))


@st.composite
def damaged_trees(draw: Callable[..., Any], trees: Sequence[Any]) -> Any:
    """Trees with one to three values replaced, removed, doubled, renamed or put elsewhere."""
    tree = copy.deepcopy(draw(st.sampled_from(trees)))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = [path for path in list_paths(tree) if path]
        if not places:
            break
        path = draw(st.sampled_from(places))
        owner = tree
        for key in path[:-1]:
            owner = owner[key]
        key = path[-1]
        deed = draw(st.sampled_from(["hostile"] * 6 + ["remove", "wrap", "elsewhere", "rename"]))
        if deed == "hostile":
            owner[key] = copy.deepcopy(draw(st.sampled_from(HOSTILE)))
        elif deed == "remove":
            del owner[key]
        elif deed == "wrap":
            owner[key] = [owner[key]]
        elif deed == "elsewhere":
            other = tree
            for step in draw(st.sampled_from(places)):
                other = other[step]
            owner[key] = copy.deepcopy(other)
        elif isinstance(owner, dict):
            owner[draw(st.sampled_from(["size", "rate", "weight", "zzz", "", "é\x1b"]))] = (
                owner.pop(key)
            )
        else:
            owner.append(copy.deepcopy(owner[key]))
    return tree


def put_in_huge(text: str) -> bytes:
    """The text with numbers in place of their marks."""
    for mark, number in HUGE.items():
        text = text.replace(f'"{mark}"', number)
    return text.encode("utf-8", "surrogatepass")


def write_toml(tree: Any) -> bytes:
    """A tree as TOML; what TOML cannot hold is left out."""
    return put_in_huge(tomli_w.dumps(without_none(tree)))


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value if v is not None] if isinstance(value, list) else value


def write_json(tree: Any) -> bytes:
    """A tree as JSON; NaN and infinities as Python writes them."""
    return put_in_huge(json.dumps(tree))


@st.composite
def damaged_arrays(draw: Callable[..., Any], files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Arrays by name with one to three replaced, edited, cast, removed or renamed."""
    arrays = {name: np.array(array) for name, array in draw(st.sampled_from(files)).items()}
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        if not arrays:
            break
        name = draw(st.sampled_from(sorted(arrays)))
        deed = draw(
            st.sampled_from(["hostile", "entry", "entry", "cast", "shape", "remove", "name"])
        )
        array = arrays[name]
        if deed == "hostile":
            arrays[name] = draw(st.sampled_from(ARRAYS))
        elif deed == "entry" and array.size and array.dtype.kind in "fiu":
            value = draw(st.sampled_from([0, -1, 1, 1e300, np.nan, np.inf, -np.inf, 7, 2**31]))
            as_float = array.astype(float).reshape(-1)
            as_float[draw(st.integers(0, array.size - 1))] = value
            whole = array.dtype.kind in "iu" and np.isfinite(as_float).all()
            with np.errstate(all="ignore"):
                arrays[name] = as_float.astype(array.dtype if whole else float).reshape(array.shape)
        elif deed == "cast" and array.dtype.kind in "fiub":
            with np.errstate(all="ignore"):
                kind = draw(st.sampled_from(["f4", "i1", "u8", "c16", "U3", "?", ">f8", "f2", "O"]))
                arrays[name] = array.astype(kind)
        elif deed == "shape":
            arrays[name] = draw(
                st.sampled_from([array.reshape(-1), array[None], array.T, np.repeat(array, 2)])
            )
        elif deed == "remove":
            del arrays[name]
        else:
            arrays[draw(st.sampled_from(["W0", "W9", "x\x1b", "grad_x", "moved", "delays"]))] = (
                array
            )
    return arrays


def write_npz(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as an ``.npz`` file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@st.composite
def damaged_bytes(draw: Callable[..., Any], contents: st.SearchStrategy[bytes]) -> bytes:
    """Bytes flipped, cut out, put in, doubled or cut off in one to four places."""
    content = bytearray(draw(contents))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        deed = draw(st.sampled_from(["flip", "flip", "set", "cut", "insert", "double", "end"]))
        length = draw(st.sampled_from([1, 2, 4, 16, 200]))
        if deed == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif deed == "set" and content:
            content[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        elif deed == "cut":
            del content[at : at + length]
        elif deed == "insert":
            content[at:at] = draw(st.sampled_from(PIECES))
        elif deed == "double":
            content[at:at] = content[at : at + length]
        elif deed == "end":
            del content[at:]
    return bytes(content)


def mix(damaged: st.SearchStrategy[bytes], whole: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Files damaged as trees, in three of five; in their bytes; in both."""
    return st.one_of(
        damaged, damaged, damaged, damaged_bytes(st.sampled_from(whole)), damaged_bytes(damaged)
    )
