"""The benchmark suite: result files, comparisons, counted work, taking turns; no time is judged."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from networks import compiled

from benchmarks import dense, machine, networks, suite
from benchmarks.compare import compare_results
from benchmarks.grid_error import step_network
from benchmarks.large_networks import Task, make_network
from benchmarks.picture import draw_pictures
from benchmarks.records import Figure, Result, read_result, write_result
from benchmarks.report import draw_comparison, draw_result, format_machine, show
from benchmarks.roofline import Work, count_work, count_work_of
from benchmarks.scaling import fit_line, use_threads
from benchmarks.timing import interleave, time_calls
from sim import simulate
from sim.threads import get_thread_count
from spiketheory.errors import InputError


def make_figure(values, *, name="step", better="lower", unit="s", **settings):
    return Figure(
        benchmark="b", name=name, unit=unit, better=better, values=values, settings=settings
    )


def make_result(*figures, **changes):
    result = Result(
        started="2026-01-01T00:00:00+00:00", seconds=1.5, quick=False, complete=True,
        machine={"cpu": "a cpu", "cores": 2, "commit": "0123456789abcdef", "dirty": True,
                 "libraries": {"numpy": "2.0", "torch": None}},
        notes=["a note"], figures=figures,
    )  # fmt: skip
    return replace(result, **changes)


def compare_one(before, after, **options):
    comparison = compare_results(
        make_result(make_figure(before, **options)), make_result(make_figure(after, **options))
    )
    (change,) = comparison.changes
    return comparison, change


def test_a_result_comes_back_from_its_file_unchanged(tmp_path):
    result = make_result(
        make_figure([1.5, 2, 3], hidden=[100, 100]), make_figure([0.1], name="x", better=None)
    )
    write_result(tmp_path / "deep" / "r.json", result)
    again = read_result(tmp_path / "deep" / "r.json")
    assert again == replace(result, figures=list(result.figures))
    assert again.find("b", "step").median == 2
    assert again.find("b", "step").settings == {"hidden": [100, 100]}
    assert again.find("b", "nothing") is None
    plain = json.loads((tmp_path / "deep" / "r.json").read_text())
    assert (plain["format"], plain["version"]) == ("spiketheory benchmark", 1)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:40], "reading it failed"),
        (lambda text: "[]", "something else"),
        (lambda text: text.replace("spiketheory benchmark", "other"), "something else"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "Expected version 1"),
        (lambda text: text.replace('"values"', '"valves"'), "damaged"),
        (lambda text: text.replace('"lower"', '"fast"'), "damaged .*lower, higher or null"),
        (lambda text: text.replace('"notes"', '"nodes"'), "damaged .*notes"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(damage, message, tmp_path):
    path = tmp_path / "r.json"
    write_result(path, make_result(make_figure([1.0])))
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=message):
        read_result(path)


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(InputError, match="reading it failed"):
        read_result(tmp_path / "none.json")


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_values_that_are_none_or_not_finite_are_refused(values):
    with pytest.raises(InputError, match="Expected finite values of b: step"):
        make_figure(values)


def test_a_planted_slowdown_beyond_the_spread_is_found():
    comparison, change = compare_one([1.0, 1.1, 1.2], [1.5, 1.6, 1.8])
    assert change.verdict == "worse"
    assert change.ratio == pytest.approx(1.6 / 1.1)
    assert (change.low, change.high) == pytest.approx((1.5 / 1.2, 1.8 / 1.0))
    assert comparison.list_slower(40) == [change]
    assert comparison.list_slower(50) == []


def test_a_planted_loss_of_throughput_is_found():
    comparison, change = compare_one([100, 110], [50, 55], better="higher")
    assert change.verdict == "worse"
    assert change.slowdown == pytest.approx(1.0)
    assert comparison.list_slower(99) == [change]
    assert comparison.list_slower(101) == []


def test_an_improvement_is_no_slowdown():
    for better, before, after in (("lower", [2, 2.1], [1, 1.1]), ("higher", [1, 1.1], [2, 2.1])):
        comparison, change = compare_one(before, after, better=better)
        assert change.verdict == "better"
        assert change.slowdown < 0
        assert comparison.list_slower(0) == []


def test_ranges_that_overlap_or_touch_are_within_the_spread():
    for after in ([1.2, 3.0], [1.1, 1.15], [0.2, 1.0]):
        comparison, change = compare_one([1.0, 1.2], after)
        assert change.verdict == "within the spread"
        assert comparison.list_slower(0) == []


def test_of_a_single_value_nothing_is_concluded():
    comparison, change = compare_one([1.0], [5.0])
    assert change.verdict == "one value"
    assert comparison.list_slower(0) == []
    assert compare_one([1.0], [1.0])[1].verdict == "within the spread"


def test_a_figure_that_should_not_move_is_said_to_have_changed():
    comparison, change = compare_one([1.0, 1.1], [2.0, 2.1], better=None)
    assert change.verdict == "changed"
    assert comparison.list_slower(0) == []


def test_a_median_of_zero_has_no_ratio():
    _, change = compare_one([0.0, 0.0], [1.0, 2.0])
    assert (change.ratio, change.high) == (None, None)
    assert change.verdict == "worse"
    assert draw_comparison(compare_one([0.0, 0.0], [1.0, 2.0])[0], every=False).row_count == 1


def test_other_settings_and_missing_figures_are_not_compared():
    before = make_result(make_figure([1.0], batch=10), make_figure([1.0], name="old"))
    after = make_result(make_figure([9.0], batch=20), make_figure([1.0], name="new"))
    comparison = compare_results(before, after)
    assert comparison.changes == ()
    assert comparison.unmatched == (
        "b: step: measured with other settings",
        "b: old: in the first result only",
        "b: new: in the second result only",
    )


def test_other_machines_and_half_runs_are_pointed_out():
    other = {"cpu": "another", "cores": 2, "libraries": {"numpy": "3.0", "torch": None}}
    comparison = compare_results(
        make_result(), make_result(machine=other, quick=True, complete=False)
    )
    assert comparison.warnings == (
        "cpu: a cpu and another",
        "numpy: 2.0 and 3.0",
        "a quick run is a smoke test: few rounds, small sizes",
        "a run was stopped before its end",
    )
    assert compare_results(make_result(), make_result()).warnings == ()


def test_work_is_counted_on_known_numbers():
    sizes, options = (20, 5, 3), {"input_spikes": 4.0, "hidden_updates": 6.0, "bins": 2}
    forward = count_work(sizes, **options, batch=10, itemsize=8, training=False)
    updates = 2 * 5 + 6 + (5 + 3)
    assert forward.operations == 4 * 5 + 6 * updates
    assert forward.bytes == 20 + 8 * 115 / 10
    both = count_work(sizes, **options, batch=10, itemsize=8, training=True)
    assert both.operations == 2 * 4 * 5 + (6 + 8) * updates + 14 * 115 / 10
    assert both.bytes == 20 + 7 * 8 * 115 / 10
    half = count_work(sizes, **options, batch=10, itemsize=4, training=True)
    assert half.operations == both.operations
    assert half.bytes - 20 == (both.bytes - 20) / 2


def test_the_floor_is_the_later_of_arithmetic_and_memory():
    assert Work(operations=1e6, bytes=10).floor(1e9, 1e9) == 1e-3
    assert Work(operations=10, bytes=4e6).floor(1e9, 1e9) == 4e-3


def test_hidden_updates_are_counted_from_what_the_network_does():
    trainer = networks.make_trainer("theta", hidden=(6,), samples=8, batch=8)
    state = networks.set_activity(trainer)
    work = count_work_of(trainer, state, training=False, itemsize=8)
    on = float((trainer.train_events.bins == 0).sum(axis=1).mean())
    spikes = networks.count_activity(trainer, state) * 6
    expected = on * 6 + 6 * (6 + 10 * spikes + 16)
    assert work.operations == pytest.approx(expected)


def test_activity_is_set_layer_by_layer_and_training_leaves_it():
    trainer = networks.make_trainer("theta", hidden=(30, 30), samples=60, batch=30)
    state = networks.set_activity(trainer, 0.3)
    assert networks.count_activity(trainer, state) == pytest.approx(0.3, abs=0.03)
    before = [p.copy() for p in state.parameters]
    assert networks.time_training(trainer, state)() > 0
    for old, new in zip(before, state.parameters, strict=True):
        np.testing.assert_allclose(new, old, rtol=0, atol=1e-9)
    assert state.epoch == 2


def test_steps_take_turns_and_every_second_round_goes_backwards():
    calls = []
    steps = {k: (lambda k=k: calls.append(k) or float(len(calls))) for k in "abc"}
    seconds = interleave(steps, 3, pause=0.0)
    assert "".join(calls) == "abccbaabc"
    assert seconds == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


def test_short_functions_are_called_often_enough(monkeypatch):
    calls = []
    monkeypatch.setattr("benchmarks.timing.time.perf_counter", lambda: 0.001 * len(calls))
    step = time_calls(lambda: calls.append(None), least=0.5)
    before = len(calls)
    assert step() == pytest.approx(0.001)
    assert 250 <= len(calls) - before <= 1000


def test_a_line_is_fitted_and_its_deviation_is_relative():
    x = [1.0, 10.0, 100.0]
    start, slope, deviation = fit_line(x, [2 + 3 * v for v in x])
    assert (start, slope) == pytest.approx((2, 3))
    assert deviation < 1e-12
    assert fit_line(x, [5.0, 32.0, 302.0 * 2])[2] > 0.1


def test_steps_in_time_come_nearer_to_exact_spikes_the_shorter_they_are():
    network = make_network(Task(model="lif_delta", n=50, in_degree=5, duration=4.0))
    interpreted = replace(network.populations[0], model=compiled("lif_delta"))
    network = replace(network, populations=[interpreted])
    exact = simulate(network, engine="events")
    order = np.lexsort((exact.spike_time, exact.spike_neuron))
    off = []
    for step in (0.01, 0.0001):
        times, neurons = step_network(network, step)
        steps = np.lexsort((times, neurons))
        assert np.array_equal(neurons[steps], exact.spike_neuron[order])
        off.append(abs(times[steps] - exact.spike_time[order]).mean())
    assert 0.001 < off[0] < 0.1
    assert 0 < off[1] < off[0] / 20


def test_threads_are_set_for_a_while(monkeypatch):
    monkeypatch.setenv("SPIKETHEORY_THREADS", "3")
    with use_threads(1):
        assert get_thread_count() == 1
    assert get_thread_count() == 3
    monkeypatch.delenv("SPIKETHEORY_THREADS")
    default = get_thread_count()
    with use_threads(default + 1):
        assert get_thread_count() == default + 1
    assert get_thread_count() == default


def test_the_dense_network_learns_what_it_is_given():
    rng = np.random.default_rng(0)
    images = (rng.random((40, 6)) < 0.5).astype(np.float32)
    train, infer = dense.make_numpy(images, images.argmax(axis=1), (6, 8, 6), 40, "float64")
    first = infer()
    for _ in range(3):
        train()
    assert infer() == pytest.approx(first, abs=1e-6)  # its rate is as small as ours
    assert 0 < first < 10


def test_the_machine_is_described():
    found = machine.describe_machine()
    assert found["cores"] >= 1
    assert found["threads"] >= 1
    assert re.fullmatch(r"\d+\.\d+.*", found["libraries"]["numpy"])
    assert set(machine.describe_commit(machine.ROOT / "benchmarks").values()) == {None}
    json.dumps(found)


def test_unknown_benchmarks_are_refused_and_none_means_all():
    assert suite.check_names([]) == list(suite.BENCHMARKS)
    assert suite.check_names(["scaling"]) == ["scaling"]
    with pytest.raises(InputError, match=r"Expected a benchmark to be one of .*roofline.*'speed'"):
        suite.check_names(["speed"])


def test_what_is_known_is_handed_on_after_each_benchmark(monkeypatch):
    class Fake:
        def __init__(self, name):
            self.name = name

        def measure(self, session):
            session.add(self.name, [1.0], "s", "lower")
            session.note("said once")

    monkeypatch.setattr(suite, "BENCHMARKS", {name: Fake(name) for name in "xy"})
    monkeypatch.setattr(suite, "describe_machine", lambda: {"load_average": 9.0, "cores": 2})
    seen = []
    options = suite.Options(quick=True)
    result = suite.run_suite(["x", "y"], options, on_result=seen.append)
    assert [r.complete for r in seen] == [False, True]
    assert [len(r.figures) for r in seen] == [1, 2]
    assert result is seen[-1]
    assert [f.key for f in result.figures] == [("x", "x"), ("y", "y")]
    assert result.notes[1:] == ("said once",)
    assert "busy at the start (load 9.0 on 2 cores)" in result.notes[0]


def test_ratios_are_of_the_same_round():
    session = suite.Session(options=suite.Options(), benchmark="b")
    session.add_ratio("r", [4.0, 9.0], [2.0, 3.0], "lower")
    session.add_rate("rate", [0.5, 0.25], "1/s")
    assert [f.values for f in session.figures] == [(2.0, 3.0), (2.0, 4.0)]


def test_a_result_is_shown_in_tables_and_words():
    result = make_result(make_figure([1.0, 2.0]), make_figure([5.0], name="[one]"))
    (table,) = draw_result(result)
    assert table.row_count == 2
    assert "commit 0123456789, changed" in format_machine(result)
    assert "numpy 2.0, BLAS" in format_machine(result)
    assert [show(v) for v in (123456, 123.45, 200.0, 1.2345, 0, 2e-5)] == [
        "123,456", "123.5", "200", "1.23", "0", "2.0e-05",
    ]  # fmt: skip


def test_a_picture_has_a_panel_for_what_was_measured(tmp_path):
    def add(benchmark, name, values, unit, **settings):
        return Figure(benchmark=benchmark, name=name, unit=unit, better=None, values=values,
                      settings=settings)  # fmt: skip

    figures = [
        add("feedforward", "theta, float64, training step", [9e3, 1e4], "samples/s", hidden=[5],
            batch=9),
        add("roofline", "inference, float64: measured", [9.0, 10.0], "us/sample"),
        add("roofline", "inference, float64: floor by operations", [2.0], "us/sample"),
        add("scaling", "batch 10", [3.0, 4.0], "us/sample"),
        add("scaling", "width 10", [3.0, 4.0], "us/sample"),
        add("scaling", "width 10: synaptic operations", [30.0], "per sample"),
        *(
            add("large", f"theta, N = {n:,d}, 100 synapses: {name}", [speed], "million/s", n=n,
                in_degree=100, one_weight=True, delays=[0.1])
            for name, speed in (("windows", 400.0), ("NEST, grid", 20.0))
            for n in (1000, 10_000)
        ),
    ]  # fmt: skip
    (path,) = draw_pictures(make_result(*figures), tmp_path / "r.json")
    assert path == tmp_path / "r.png"
    assert path.stat().st_size > 10_000
    assert draw_pictures(make_result(), tmp_path / "none.json") == []
