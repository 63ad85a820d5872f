"""What reaches the terminal: no commands from files, and only letters that it has."""

import io
import json
import os
import subprocess
import sys

import pytest
from commands import ROOT, run, run_ok, run_process

from spiketheory.commands.terminal import make_console, protect_output, spell_out
from spiketheory.plain_text import escape_all, escape_controls

EVIL = "a\x1b[31mb\x07c\u202ed\x9be\rf\u2066g\x7fh\udc80"
HARMLESS = "a\\u001b[31mb\\u0007c\\u202ed\\u009be\\u000df\\u2066g\\u007fh\\udc80"


def test_control_characters_are_written_out_as_json_writes_them():
    assert escape_controls(EVIL) == HARMLESS
    assert escape_controls("tab\tline\nτ → ∞ \u200d") == "tab\tline\nτ → ∞ \u200d"
    assert json.loads('"' + escape_controls("x\x1b\u202e") + '"') == "x\x1b\u202e"
    assert escape_all([("x\x07", 1)]) == [("x\\u0007", 1)]


def replace_streams(monkeypatch):
    """Streams of an old encoding in place of the two; returns what is written to them."""
    buffers = io.BytesIO(), io.BytesIO()
    for name, buffer in zip(("stdout", "stderr"), buffers, strict=True):
        stream = io.TextIOWrapper(buffer, encoding="cp1252", write_through=True)
        monkeypatch.setattr(sys, name, stream)
    return buffers


def test_inside_of_the_block_both_streams_escape_controls_and_spell_letters_out(monkeypatch):
    buffers = replace_streams(monkeypatch)
    before = sys.stdout
    with protect_output():
        sys.stdout.write(f"{EVIL} τ ≤ ∞ · é\n")
        sys.stderr.writelines(["x\x1b", "Θ √"])
    assert sys.stdout is before
    assert before.errors == "strict"
    out, err = (buffer.getvalue().decode("cp1252") for buffer in buffers)
    assert out == f"{HARMLESS} tau <= oo · é\n"
    assert err == "x\\u001bTheta sqrt"


def test_a_console_keeps_its_own_escapes_and_none_of_the_text(monkeypatch):
    buffers = replace_streams(monkeypatch)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with protect_output():
        make_console().print("[bold]x[/]\x1b]y", highlight=False)
    assert buffers[0].getvalue() == b"\x1b[1mx\x1b[0m\\u001b]y\n"


@pytest.mark.parametrize(
    ("letter", "ascii_form"),
    [("τ", "tau"), ("Ω", "Omega"), ("⎛", "("), ("⎟", ")"), ("─", "-"), ("│", "|"), ("╱", "/"),
     ("╲", "\\"), ("⁻", "-"), ("₀", "0"), ("ẋ", "x"), ("⌠", "|"), ("中", "?"), ("\ue000", "?")],
)  # fmt: skip
def test_letters_that_an_encoding_lacks_have_others_in_their_place(letter, ascii_form):
    assert spell_out(letter) == ascii_form


@pytest.mark.parametrize(("command", "encoding"), [("derive", "cp1252"), ("certify", "ascii")])
def test_commands_print_where_output_is_not_unicode(command, encoding):
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", command, "--model", "theta"],
        env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    out = done.stdout.decode(encoding)
    assert "oo" in out
    assert "?" not in out


def test_nothing_of_a_model_file_is_a_command_to_a_terminal_or_a_page(tmp_path, monkeypatch):
    path = tmp_path / "evil.toml"
    escaped = json.dumps(EVIL[:-1])[1:-1].replace("\x7f", "\\u007f")
    path.write_text(
        f"""[model]
name = "evil"
description = "<script>alert(1)</script> {escaped}"
equations = "dV/dt = V**2 + I0"
spike = "V -> oo"
reset = "V = -oo"
input = "V += w"
rest = {{V = 0}}
[parameters]
I0 = {{default = 1.0, domain = "I0 > 0", unit = "{escaped}"}}
"""
    )
    for style in ("text", "latex", "markdown", "html", "json"):
        out = tmp_path / f"out.{style}"
        run_ok("derive", "--model", path, "--format", style, "--out", out)
        text = out.read_text(encoding="utf-8")
        if style != "json":  # which has escapes of its own
            assert escape_controls(text) == text
        if style == "html":
            assert "<script" not in text
            assert "Content-Security-Policy" in text
    _, out, _ = run_process("derive", "--model", path, "--format", "json")
    assert escape_controls(out) == out
    assert json.loads(out)["model"]["parameters"][0]["unit"] == EVIL[:-1]
    path.write_text('[model]\nname = "\\u001b[2J"')
    refused = run("derive", "--model", path)
    assert refused.exit_code == 2
    assert "\x1b" not in refused.stderr
