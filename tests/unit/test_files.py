import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spiketheory.errors import InputError
from spiketheory.files import check_apart, current_umask, replace_atomically, write_text_atomically

ROOT = Path(__file__).resolve().parents[2]


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


def test_what_is_written_is_on_the_disk_before_it_takes_the_files_name(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr("spiketheory.files.sync", lambda path: order.append(("sync", path)))
    replace = Path.replace
    monkeypatch.setattr(
        Path,
        "replace",
        lambda self, target: (order.append(("replace", self)), replace(self, target)),
    )
    write_text_atomically(tmp_path / "a.txt", "text")
    (_, written), (_, renamed), (_, folder) = order
    assert [step for step, _ in order] == ["sync", "replace", "sync"]
    assert written == renamed
    assert folder == tmp_path


DIES_IN_THE_MIDDLE = """
import os, signal, sys
from spiketheory.files import replace_atomically
with replace_atomically(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_the_next_file_removes_what_a_killed_process_left_and_nothing_of_a_living_one(
    tmp_path,
):
    path = tmp_path / "a.txt"
    path.write_text("old")
    start = [sys.executable, "-c", DIES_IN_THE_MIDDLE, str(path)]
    subprocess.run([*start, "die"], check=False, stdout=subprocess.PIPE, cwd=ROOT)
    assert len(list(tmp_path.iterdir())) == 2
    assert path.read_text() == "old"
    living = subprocess.Popen(
        [*start, "live"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    own = tmp_path / living.stdout.readline().strip()
    other = tmp_path / ".a.txt.0123abcd-1-abcdefgh.txt"  # of another machine
    other.write_text("")
    write_text_atomically(tmp_path / "b.txt", "new")
    assert set(tmp_path.iterdir()) == {path, tmp_path / "b.txt", own, other}
    living.communicate("")
    assert path.read_text() == "half"
    assert set(tmp_path.iterdir()) == {path, tmp_path / "b.txt", other}


def test_what_is_written_to_must_be_no_file_that_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.toml").write_text("")
    (tmp_path / "link.toml").symlink_to("m.toml")
    for out, other in (("m.toml", "./m.toml"), ("link.toml", "m.toml"), ("new", "../new")):
        same = out != "new"
        if same:
            with pytest.raises(InputError, match=r"another file than .*m\.toml"):
                check_apart(out, None, other)
        else:
            check_apart(out, other)
    check_apart(None, "m.toml")
    check_apart("theta", models=["theta", None])
    with pytest.raises(InputError, match="which is the same"):
        check_apart("new.png", "x", tmp_path / "new.png")
