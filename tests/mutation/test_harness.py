"""The sample of mutation testing: in proportion to lines, the same for the same seed."""

import random

from harness import ROOT, count_shares, draw, list_annotations
from targets import TARGETS


def test_every_file_and_every_test_of_the_table_exists():
    for name, tests in TARGETS.items():
        paths = [name, *(test.split("::")[0] for test in tests)]
        assert all((ROOT / path).exists() for path in paths), name


def test_shares_are_in_proportion_to_lines_and_add_up():
    shares = count_shares({"a": 100, "b": 201, "c": 99}, 40)
    assert shares == {"a": 10, "b": 20, "c": 10}
    assert sum(count_shares({"a": 1, "b": 1, "c": 1}, 100).values()) == 100


def test_a_place_is_drawn_twice_only_after_all_were_drawn_once():
    places = ["x"] * 50 + ["y", "z"]
    drawn = draw(places, 3, random.Random(1))
    assert {places[k] for k in drawn} == {"x", "y", "z"}
    assert draw(places, 3, random.Random(1)) == drawn
    assert len(set(draw(places, 52, random.Random(1)))) == 52
    assert len({tuple(draw(places, 3, random.Random(seed))) for seed in range(5)}) > 1


def test_annotations_are_found_in_arguments_results_and_variables():
    source = "def f(a: int | None) -> str | None:\n    b: int | str = a | 1\n"
    found = list_annotations(source)
    assert sorted(found) == [((1, 9), (1, 19)), ((1, 24), (1, 34)), ((2, 7), (2, 16))]
