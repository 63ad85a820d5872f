import os
import stat
from pathlib import Path

import pytest

from spiketheory.errors import InputError
from spiketheory.files import current_umask, replace_atomically, write_text_atomically


def test_a_text_is_written_in_utf_8_with_unix_line_ends(tmp_path):
    write_text_atomically(tmp_path / "a.txt", "τ\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xcf\x84\n"


def test_an_old_file_is_replaced_and_no_temporary_file_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_text_atomically(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_and_nothing_left_when_the_block_raises(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path):
    with replace_atomically(path) as temporary:
        temporary.write_text("half")
        raise KeyError("stop")


def test_the_old_text_is_there_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replace_atomically(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
    assert path.read_text() == "new"


def test_missing_folders_are_made(tmp_path):
    write_text_atomically(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_a_path_may_be_a_string(tmp_path):
    write_text_atomically(str(tmp_path / "a.txt"), "text")
    assert (tmp_path / "a.txt").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_file_gets_the_permissions_that_open_would_give_it(tmp_path):
    old = os.umask(0o027)
    try:
        write_text_atomically(tmp_path / "a.txt", "text")
        assert current_umask() == 0o027
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_path_under_a_regular_file_is_an_input_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Expected to write .*a\.txt but the system said: "):
        write_text_atomically(tmp_path / "file" / "a.txt", "text")


def test_a_folder_in_the_files_place_is_an_input_error_and_stays(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="choose a folder that exists"):
        write_text_atomically(tmp_path / "a.txt", "text")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_the_systems_error_is_kept_as_the_cause(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as info:
        write_text_atomically(Path(tmp_path, "file", "a.txt"), "text")
    assert isinstance(info.value.__cause__, OSError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_device_or_a_pipe_is_refused_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"Expected a regular file .*pipe is a device or a pipe"):
        write_text_atomically(pipe, "text")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
