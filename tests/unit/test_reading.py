"""Reading what others wrote: sizes first, and every damage is one error."""

import io
import os
import zipfile

import numpy as np
import pytest

from sim.files.network_file import read_network_file
from spiketheory.errors import InputError, ModelError
from spiketheory.language.parse import read_model
from spiketheory.reading import (
    MOST_UNPACKED,
    DamagedError,
    catch_damage,
    parse_json,
    parse_toml,
    read_limited,
    read_npz,
    read_text,
    show,
)


def test_a_file_or_a_device_is_never_read_beyond_its_limit(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("12345")
    assert read_limited(path, most=5) == b"12345"
    for large in (path, "/dev/zero"):
        with pytest.raises(DamagedError, match="larger than 4 bytes"):
            read_limited(large, most=4)
    with pytest.raises(ModelError, match="larger than"):
        read_model("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_small_text_may_come_from_a_pipe(tmp_path):
    out, into = os.pipe()
    os.write(into, b"\xef\xbb\xbftext")
    os.close(into)
    assert read_text(f"/dev/fd/{out}") == "text"
    os.close(out)


@pytest.mark.parametrize(
    "text", ["a = [" * 5000, "a." * 200 + "a = 1", "a = " + "9" * 5000, "a = 1\na = 2", "\0"]
)
def test_toml_that_is_none_is_damage_however_deep(text):
    with pytest.raises(DamagedError):
        parse_toml(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", b"\xff", "9" * 5000])
def test_json_that_is_none_is_damage_however_deep(text):
    with pytest.raises(DamagedError):
        parse_json(text)


def test_what_is_shown_of_a_value_is_short_whatever_it_is():
    deep = []
    for _ in range(10**5):
        deep = [deep]
    assert show("x" * 200) == "'" + "x" * 79 + "..."
    assert show(16**5000) == "int that is too long to show"
    assert show(deep).startswith(("list that", "[[["))


def test_errors_of_the_project_pass():
    def fail():
        with catch_damage():
            raise InputError("Expected")

    with pytest.raises(InputError):
        fail()


def pack(path, content, *, name="a.npy", kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr(name, content)
    return path


def npy(array, **header):
    stream = io.BytesIO()
    np.save(stream, array)
    content = stream.getvalue()
    for old, new in header.items():
        content = content.replace(*(x.encode() for x in (old, new)))
    return content


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as file,
    ):
        for _ in range(MOST_UNPACKED // 2**24 + 1):
            file.write(bytes(2**24))
    with pytest.raises(DamagedError, match=r"unpack to .* write it unpacked, with numpy.savez"):
        read_npz(path)


def test_arrays_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=np.zeros(1000))
    monkeypatch.setattr("spiketheory.reading.get_memory_size", lambda: 5000)
    with pytest.raises(DamagedError, match="its arrays take"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.zeros(3)).replace(b"(3,)", b"(9,)"), "24 bytes of data in place of 72"),
        (npy(np.zeros(3)).replace(b"(3,)", b"(-3,)"), "."),
        (npy(np.zeros(3)) + b"more", "28 bytes of data in place of 24"),
        (npy(np.zeros(3))[:-1], "23 bytes"),
        (b"\x93NUMPY\x07\x00", "unknown version"),
        (b"", "."),
    ],
)
def test_a_header_that_says_something_else_than_follows_is_damage(tmp_path, content, message):
    with pytest.raises(DamagedError, match=message):
        read_npz(pack(tmp_path / "a.npz", content))


def test_members_of_one_name_or_another_packing_are_damage(tmp_path):
    path = pack(tmp_path / "a.npz", npy(np.zeros(3)), kind=zipfile.ZIP_BZIP2)
    with pytest.raises(DamagedError, match="packed in a way"):
        read_npz(path)
    path = pack(tmp_path / "b.npz", npy(np.zeros(3)))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a.npy", npy(np.ones(3)))
    with pytest.raises(DamagedError, match="two of one name"):
        read_npz(path)


NETWORK = """version = 2
[network]
duration = 1.0
[populations.a]
model = "theta"
size = {size}
[inputs.x]
size = 1
rate = {rate}
[[projections]]
pre = "a"
post = "a"
weight = 1.0
connect = {connect}
"""


@pytest.mark.parametrize(
    "values",
    [
        {"size": 10**9, "connect": '"one_to_one"'}, {"size": 10**6}, {"rate": 1e12},
        {"rate": "{uniform = [0, 1e300]}"}, {"size": 10**6, "connect": "{in_degree = 999999}"},
        {"size": 10**8, "connect": "{small_world = {neighbours = 10000, rewired = 0.1}}"},
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit_is_refused_before_anything_is_drawn(tmp_path, values):
    path = tmp_path / "n.toml"
    path.write_text(NETWORK.format(**{"size": 2, "rate": 1.0, "connect": '"all"', **values}))

    def compile_model(name):
        pytest.fail("nothing is compiled before the size is known")

    with pytest.raises(InputError, match=r"fits into .* but the neurons|but neurons, connections"):
        read_network_file(path, compile_model=compile_model)
