import errno
import hashlib
import io
import json
import math
import zipfile

import numpy as np
import pytest

from sim.training import checkpoint
from sim.training.checkpoint import load_checkpoint, save_checkpoint
from spiketheory.errors import CheckpointError, InputError

CONFIG = {"model": "theta", "layers": [784, 100, 10], "rate": 4e-3, "seed": None}
META = {"epoch": 7, "digest": "abc", "test_accuracy": 0.1 + 0.2, "note": "naïve – ψ"}


def make_arrays():
    rng = np.random.default_rng(0)
    return {
        "weights_0": rng.normal(size=(3, 4)),
        "weights_1": np.asfortranarray(rng.normal(size=(4, 2)).astype(np.float32)),
        "step": np.array(17),
        "empty": np.zeros((0, 5)),
        "mask/of.npy": np.array([True, False]),
        "big_endian": np.arange(3, dtype=">i4"),
        "names": np.array(["a", "bc"]),
        "special": np.array([np.nan, np.inf, -0.0]),
    }


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, config=CONFIG, arrays=make_arrays(), meta=META)
    return path


def assert_same(loaded):
    assert loaded.config == CONFIG
    assert loaded.meta == META
    assert list(loaded.arrays) == list(make_arrays())
    for name, array in make_arrays().items():
        assert loaded.arrays[name].dtype == array.dtype
        assert loaded.arrays[name].shape == array.shape
        assert loaded.arrays[name].tobytes() == array.tobytes()


def rewrite(path, **members):
    """Write a zip of .npy files as an unrelated program would."""
    np.savez(path, **members)


def text_array(text):
    return np.frombuffer(text.encode(), dtype=np.uint8)


def test_what_was_saved_is_loaded_bit_for_bit(saved):
    assert_same(load_checkpoint(saved))


def test_loaded_arrays_can_be_trained_in_place(saved):
    loaded = load_checkpoint(str(saved))
    loaded.arrays["weights_0"] += 1.0
    loaded.arrays["step"][...] += 1
    assert int(loaded.arrays["step"]) == 18


def test_file_is_an_ordinary_npz_without_pickles(saved):
    with np.load(saved, allow_pickle=False) as archive:
        assert set(archive.files) >= {"header", "record", "array.weights_0", "array.step"}
        assert json.loads(archive["header"].tobytes())["version"] == checkpoint.VERSION


def test_equal_content_gives_equal_bytes_and_overwrites(saved, tmp_path):
    again = tmp_path / "deep" / "er" / "again.npz"
    for _ in range(2):
        save_checkpoint(again, config=CONFIG, arrays=make_arrays(), meta=META)
    assert again.read_bytes() == saved.read_bytes()
    assert [path.name for path in again.parent.iterdir()] == ["again.npz"]


def test_numpy_scalars_and_nan_may_stand_in_config_and_meta(tmp_path):
    path = tmp_path / "no_suffix"
    meta = {"loss": np.float32(0.5), "epoch": np.int64(3), "ratio": math.nan, "sizes": (1, 2)}
    save_checkpoint(path, config={}, arrays={}, meta=meta)
    loaded = load_checkpoint(path)
    assert loaded.arrays == loaded.config == {}
    assert math.isnan(loaded.meta.pop("ratio"))
    assert loaded.meta == {"loss": 0.5, "epoch": 3, "sizes": [1, 2]}


def test_number_keys_become_text_and_still_pass_the_checksum(tmp_path):
    save_checkpoint(tmp_path / "a.npz", config={2: "b", 10: "a"}, arrays={}, meta={})
    assert load_checkpoint(tmp_path / "a.npz").config == {"2": "b", "10": "a"}


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "none.npz"
    with pytest.raises(CheckpointError, match=r"^Expected .*none.npz but .* No such file .*; che"):
        load_checkpoint(path)


def test_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"but the system said: Is a directory; check the"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY" + bytes(200)])
def test_file_that_is_not_an_npz_is_refused(tmp_path, content):
    path = tmp_path / "text.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"^Expected .* that is not an .npz archive; name a"):
        load_checkpoint(path)


def test_npz_of_somebody_else_is_refused(tmp_path):
    for members in ({"weights": np.ones(3)}, {"header": np.ones(3)}):
        rewrite(tmp_path / "foreign.npz", **members)
        with pytest.raises(CheckpointError, match=r"^Expected .* without the header of a spiket"):
            load_checkpoint(tmp_path / "foreign.npz")


def test_header_of_another_format_is_refused(tmp_path):
    header = text_array(json.dumps({"format": "other checkpoint", "version": 1}))
    rewrite(tmp_path / "other.npz", header=header)
    with pytest.raises(CheckpointError, match=r"without the header of a spiketheory checkpoint;"):
        load_checkpoint(tmp_path / "other.npz")


def test_newer_version_asks_for_an_upgrade(saved, monkeypatch):
    monkeypatch.setattr(checkpoint, "VERSION", 0)
    with pytest.raises(CheckpointError, match=r"version 0 or older .* but got version 1; upgrade"):
        load_checkpoint(saved)


def test_every_truncation_is_noticed(saved):
    whole = saved.read_bytes()
    for length in [*range(4, len(whole), 97), len(whole) - 1]:
        saved.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"^Expected a whole .* truncated or damaged \("):
            load_checkpoint(saved)


def test_flipped_bit_is_noticed_or_does_no_harm(saved):
    whole = saved.read_bytes()
    noticed = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        saved.write_bytes(damaged)
        try:
            loaded = load_checkpoint(saved)
        except CheckpointError:
            noticed += 1
        else:
            assert_same(loaded)  # a date in the zip, say
    assert noticed > 0.5 * len(whole)


@pytest.mark.parametrize("victim", ["array.weights_0.npy", "record.npy"])
def test_changed_content_with_a_right_crc_fails_the_checksum(saved, victim):
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = bytearray(members[victim])
    content[-2] ^= 1
    members[victim] = bytes(content)
    with zipfile.ZipFile(saved, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match=r"damaged \(the checksum .* differs .*\); restore"):
        load_checkpoint(saved)


def test_renamed_array_fails_the_checksum_and_a_missing_record_is_damage(saved):
    with np.load(saved) as archive:
        members = dict(archive)
    renamed = dict(members)
    renamed["array.other"] = renamed.pop("array.weights_0")
    rewrite(saved, **renamed)
    with pytest.raises(CheckpointError, match="checksum"):
        load_checkpoint(saved)
    del members["record"]
    rewrite(saved, **members)
    with pytest.raises(CheckpointError, match=r"damaged \('record'\)"):
        load_checkpoint(saved)


def test_pickles_are_never_loaded(saved):
    data = io.BytesIO()
    np.lib.format.write_array(data, np.array([{}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("array.evil.npy", data.getvalue())
    with pytest.raises(CheckpointError, match=r"damaged \(array.evil.npy holds Python objects"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "array", [np.array([{}], dtype=object), np.zeros(2, dtype=[("a", float), ("b", object)])]
)
def test_object_arrays_are_not_saved(tmp_path, array):
    with pytest.raises(InputError, match=r"^Expected numbers in the array bad but got dtype .*; a"):
        save_checkpoint(tmp_path / "a.npz", config={}, arrays={"bad": array}, meta={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "ψ", "a\nb", 3])
def test_names_of_arrays_are_printable_ascii(tmp_path, name):
    with pytest.raises(InputError, match=r"^Expected names of arrays in printable ASCII but got"):
        save_checkpoint(tmp_path / "a.npz", config={}, arrays={name: np.ones(1)}, meta={})


@pytest.mark.parametrize("value", [{1, 2}, np.ones(2), object(), {(1, 2): 3}])
@pytest.mark.parametrize("part", ["config", "meta"])
def test_what_json_cannot_hold_is_refused(tmp_path, part, value):
    parts = {"config": {}, "meta": {}} | {part: {"x": value}}
    with pytest.raises(InputError, match=rf"^Expected {part} of plain JSON values but .*; convert"):
        save_checkpoint(tmp_path / "a.npz", arrays={}, **parts)


def test_folder_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"^Expected to write .* but the system said: .*; choose"):
        save_checkpoint(tmp_path / "file" / "a.npz", config={}, arrays={}, meta={})


def test_full_disk_keeps_the_old_checkpoint_and_leaves_nothing_behind(saved, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(InputError, match=r"but the system said: No space left on device; choose"):
        save_checkpoint(saved, config={}, arrays={}, meta={})
    monkeypatch.undo()
    assert_same(load_checkpoint(saved))
    assert [path.name for path in saved.parent.iterdir()] == ["run.npz"]


def test_format_of_version_1_does_not_drift(tmp_path):
    """A file written today must be readable tomorrow: pinned bytes."""
    path = tmp_path / "pinned.npz"
    save_checkpoint(path, config={"a": 1}, arrays={"w": np.arange(3.0)}, meta={"epoch": 2})
    with np.load(path) as archive:
        record, header = archive["record"].tobytes(), json.loads(archive["header"].tobytes())
    assert record == b'{"config": {"a": 1}, "meta": {"epoch": 2}}'
    content = record + b"('w', '<f8', (3,))" + np.arange(3.0).tobytes()
    assert header["sha256"] == hashlib.sha256(content).hexdigest()
