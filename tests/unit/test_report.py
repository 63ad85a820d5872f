import csv
import struct
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from sim.analysis.training_figures import (
    BLUE,
    CURVE_KEYS,
    GREEN,
    ORANGE,
    VERMILION,
    RasterPanel,
    draw_learning_curves,
    draw_rasters,
    plot_learning_curves,
    plot_rasters,
    write_metrics_csv,
)
from spiketheory.errors import InputError


def make_rows(epochs=30):
    rows = []
    for epoch in range(epochs):
        error = 0.9 * 0.8**epoch + 0.02
        row = {
            "epoch": epoch,
            "train_loss": 2 * error,
            "train_accuracy": 1 - error,
            "test_loss": 2.5 * error,
            "test_accuracy": 1 - 1.05 * error,
            "test_loss_ordinary": 3 * error,
            "test_accuracy_ordinary": 1 - 1.08 * error,
            "spikes_per_hidden_neuron": 0.4 * (1 - 0.8**epoch),
            "silent_fraction": 0.1 + 0.9 * 0.8**epoch,
            "learning_rate": 4e-3,
        }
        rows.append(row)
    return rows


def make_panel(**changes):
    settings = {
        "title": "after training",
        "input_image": np.eye(8),
        "label": 1,
        "spike_time": np.array([0.2, 0.5, 0.9, 1.5, 1.8]),
        "spike_neuron": np.array([0, 4, 5, 9, 9]),
        "layer_sizes": (5, 3, 3),
        "output_time": np.array([2.6, 1.5, 3.1]),
        "T": 2.0,
    }
    return RasterPanel(**(settings | changes))


def make_silent_panel(**changes):
    silent = {"spike_time": np.zeros(0), "spike_neuron": np.zeros(0, dtype=int)}
    return make_panel(**({"output_time": np.array([2.6, 2.2, 3.1])} | silent | changes))


def png_size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def draw(figure):
    figure.canvas.draw()  # what only drawing would reveal, warnings included
    return figure


def raster_axes(figure):
    return [axes for axes in figure.axes if not axes.images]


def marks(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_learning_curves_are_written_as_a_png_of_the_expected_size(tmp_path):
    plot_learning_curves(make_rows(), tmp_path / "new" / "curves.png")
    assert png_size(tmp_path / "new" / "curves.png") == (1500, 810)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curves.png"]


def test_learning_curves_show_the_metrics_in_percent_on_a_log_axis():
    rows = make_rows()
    error, loss, activity, silent = draw(draw_learning_curves(rows)).axes
    assert error.get_yscale() == loss.get_yscale() == "log"
    shown = {line.get_color(): line.get_ydata() for line in error.lines}
    np.testing.assert_allclose(shown[BLUE], [100 * (1 - r["test_accuracy"]) for r in rows])
    np.testing.assert_allclose(
        shown[ORANGE], [100 * (1 - r["test_accuracy_ordinary"]) for r in rows]
    )
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [r["train_loss"] for r in rows])
    np.testing.assert_allclose(
        activity.lines[0].get_ydata(), [r["spikes_per_hidden_neuron"] for r in rows]
    )
    np.testing.assert_allclose(
        silent.lines[0].get_ydata(), [100 * r["silent_fraction"] for r in rows]
    )


def test_legend_tells_the_final_values():
    error, loss, *_ = draw_learning_curves(make_rows(200)).axes
    texts = [text.get_text() for text in error.get_legend().get_texts()]
    assert texts == ["training (2 %)", "test (2.1 %)", "test without pseudospikes (2.16 %)"]
    assert "training (0.04)" in [text.get_text() for text in loss.get_legend().get_texts()]


@pytest.mark.parametrize("epochs", [5, 50])
def test_the_legend_covers_no_curve(epochs):
    rows = [row | {"test_loss_ordinary": 3.0, "test_accuracy_ordinary": 0.0}
            for row in make_rows(epochs)]  # fmt: skip
    figure = draw(draw_learning_curves(rows))
    for axes in figure.axes[:2]:
        bottom = axes.get_legend().get_window_extent().y0
        highest = axes.transData.transform([(0, max(max(x.get_ydata()) for x in axes.lines))])
        assert highest[0, 1] < bottom
    assert max(figure.axes[0].get_yticks()) <= 125  # no error rate of 200 %


def test_curve_and_axis_label_of_an_activity_have_the_same_colour():
    _, _, activity, silent = draw_learning_curves(make_rows()).axes
    for axes, color in ((activity, GREEN), (silent, VERMILION)):
        assert axes.lines[0].get_color() == axes.yaxis.label.get_color() == color


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_learning_curves_of_any_length_can_be_drawn(epochs):
    figure = draw(draw_learning_curves(make_rows(epochs)))
    assert all(tick == round(tick) for axes in figure.axes for tick in axes.get_xticks())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_leave_a_gap(value):
    rows = make_rows(3)
    rows[0]["train_loss"] = rows[2]["test_loss_ordinary"] = value
    loss = draw(draw_learning_curves(rows)).axes[1]
    assert np.isnan(loss.lines[0].get_ydata()[0])
    assert "test without pseudospikes" in [t.get_text() for t in loss.get_legend().get_texts()]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_metrics_without_anything_to_show_can_be_drawn(value):
    rows = [dict.fromkeys(CURVE_KEYS, value) | {"epoch": epoch} for epoch in range(3)]
    assert len(draw(draw_learning_curves(rows)).axes) >= 3


def test_perfect_accuracy_falls_off_the_log_axis():
    rows = make_rows(5)
    rows[-1]["train_accuracy"] = 1.0
    error = draw(draw_learning_curves(rows)).axes[0]
    assert error.get_ylim()[0] > 10
    assert error.get_legend().get_texts()[0].get_text() == "training (0 %)"


def test_learning_curves_need_rows_with_all_keys(tmp_path):
    with pytest.raises(InputError, match=r"^Expected at least one row of metrics but got none; "):
        plot_learning_curves([], tmp_path / "a.png")
    rows = make_rows(2)
    del rows[1]["test_loss"]
    with pytest.raises(InputError, match=r"^Expected test_loss in row 1 of the metrics but got ep"):
        plot_learning_curves(rows, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_rasters_are_written_as_a_png_of_the_expected_size(tmp_path):
    plot_rasters([make_silent_panel(), make_panel()], tmp_path / "rasters.png")
    width, height = png_size(tmp_path / "rasters.png")
    assert width == 1350
    assert height == round(150 * (0.5 + 2 * (2.6 + 0.42 * 3)))


def test_every_spike_stands_in_its_layer_with_the_colour_of_the_layer():
    (axes,) = raster_axes(draw(draw_rasters([make_panel()])))
    first, second = marks(axes, "|")
    assert (first.get_color(), second.get_color()) == (BLUE, GREEN)
    assert first.get_xdata().tolist() == [0.2, 0.5]
    assert second.get_xdata().tolist() == [0.9]
    separators = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "-"]
    low, high = sorted(separators)
    assert max(first.get_ydata()) < low < second.get_ydata()[0] < high


def test_output_spikes_are_filled_and_pseudospikes_hollow_after_the_end():
    (axes,) = raster_axes(draw(draw_rasters([make_panel()])))
    spikes, pseudospikes = marks(axes, "o")
    assert spikes.get_xdata().tolist() == [1.5, 1.8]
    assert to_hex(spikes.get_markerfacecolor()) != "#ffffff"
    assert pseudospikes.get_xdata().tolist() == [2.6, 3.1]
    assert to_hex(pseudospikes.get_markerfacecolor()) == "#ffffff"
    assert spikes.get_markersize() > marks(axes, "|")[0].get_markersize() / 2
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > 3.1


def test_time_after_the_end_is_shaded_and_the_right_output_highlighted():
    (axes,) = raster_axes(draw(draw_rasters([make_panel()])))
    shade, highlight = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert shade.get_x() == 2.0
    row = marks(axes, "o")[0].get_ydata()[0]
    assert highlight.get_y() < row < highlight.get_y() + highlight.get_height()
    bold = [t.get_text() for t in axes.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == ["1"]


def test_headline_tells_the_decision_and_whether_it_is_right():
    panels = [
        make_panel(),
        make_panel(label=2),
        make_silent_panel(output_time=np.full(3, np.inf)),
    ]
    all_axes = raster_axes(draw_rasters(panels))
    assert [axes.get_title(loc="left") for axes in all_axes] == ["after training"] * 3
    found = [(axes.get_title(loc="right"), axes._right_title.get_color()) for axes in all_axes]
    assert found == [
        ("decides 1, label 1", GREEN),
        ("decides 1, label 2", VERMILION),
        ("no decision, label 1", VERMILION),
    ]


def test_network_without_any_spike_says_so():
    figure = draw(draw_rasters([make_silent_panel(), make_panel()]))
    silent, active = raster_axes(figure)
    assert [text.get_text() for text in silent.texts] == ["no spikes"]
    assert [text.get_text() for text in active.texts] == []


@pytest.mark.parametrize(
    "layer_sizes", [(3,), (20, 3), (100, 100, 3), (100, 5, 3), (100,) * 8 + (3,)]
)
def test_all_depths_can_be_drawn(layer_sizes):
    neuron = np.arange(sum(layer_sizes))
    time = np.linspace(0.1, 1.9, len(neuron))
    panel = make_panel(layer_sizes=layer_sizes, spike_neuron=neuron, spike_time=time)
    (axes,) = raster_axes(draw(draw_rasters([panel])))
    labels = [text.get_text() for text in axes.get_yticklabels()]
    hidden = [f"hidden {k + 1} ({n})" for k, n in enumerate(layer_sizes[:-1])]
    assert labels == [*hidden, "0", "1", "2"]
    heights = np.concatenate(
        [line.get_ydata() for line in (*marks(axes, "|"), marks(axes, "o")[0])]
    )
    assert (np.diff(heights) > 0).all()
    assert 0 < heights[0] < heights[-1] < 1


def test_many_outputs_label_some_rows_and_the_right_one():
    panel = make_silent_panel(layer_sizes=(5, 26), output_time=np.full(26, 2.5), label=4)
    (axes,) = raster_axes(draw(draw_rasters([panel])))
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["hidden 1 (5)", *map(str, (0, 3, 4, 6, 9, 12, 15, 18, 21, 24))]


def test_late_pseudospikes_compress_the_time_after_the_end():
    late = make_panel(output_time=np.array([8.0, 1.5, 3.0]))
    axes = raster_axes(draw(draw_rasters([late])))[0]
    assert "compressed" in axes.get_xlabel()
    x = axes.transAxes.inverted().transform(axes.transData.transform([(2.0, 0), (8.0, 0)]))[:, 0]
    assert 0.55 < x[0] < 0.62
    assert x[0] < x[1] < 1
    assert "compressed" not in raster_axes(draw_rasters([make_panel()]))[0].get_xlabel()


def test_panels_share_the_time_axis_and_show_their_images():
    panels = [make_silent_panel(output_time=np.array([2.2, 2.9, 3.2])), make_panel()]
    figure = draw_rasters(panels)
    first, second = raster_axes(figure)
    assert first.get_xlim() == second.get_xlim()
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(images) == 2
    assert np.array_equal(images[0], np.eye(8))
    assert len(draw_rasters([make_panel(input_image=None)]).axes) == 1


def test_rasters_need_a_panel(tmp_path):
    with pytest.raises(InputError, match=r"^Expected at least one raster panel but got none; pass"):
        plot_rasters([], tmp_path / "a.png")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"T": 0.0}, r"Expected T > 0 but got T=0.0"),
        ({"layer_sizes": ()}, r"Expected layers of at least one neuron but got \(\); give"),
        ({"layer_sizes": (5, 0, 3)}, r"Expected layers of at least one neuron but got \(5, 0, 3"),
        ({"spike_time": np.zeros((2, 2))}, r"Expected spike_time of shape \(any,\) but got"),
        ({"spike_time": np.zeros(2)}, r"Expected spike_neuron of shape \(2,\) but got"),
        ({"output_time": np.zeros(2)}, r"Expected output_time of shape \(3,\) but got"),
        ({"input_image": np.zeros(4)}, r"Expected input_image of shape \(any, any\) but got"),
        ({"spike_neuron": np.full(5, 11)}, r"spike_neuron between 0 and 10 but got 11 to 11; co"),
        ({"label": 3}, r"Expected label between 0 and 2 but got 3 to 3; count"),
    ],
)
def test_malformed_raster_panels_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make_panel(**changes)


def test_csv_reads_back_to_the_same_numbers(tmp_path):
    rows = make_rows(4)
    write_metrics_csv(rows, tmp_path / "metrics.csv")
    with (tmp_path / "metrics.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [{key: float(text) for key, text in row.items()} for row in read] == rows
    assert list(read[0]) == list(rows[0])
    assert b"\r" not in (tmp_path / "metrics.csv").read_bytes()


def test_csv_needs_rows_with_the_same_keys(tmp_path):
    for rows, message in (
        ([], r"^Expected at least one row of metrics but got none; train for an epoch"),
        ([{"a": 1.0}, {"b": 1.0}], r"^Expected b in row 0 of the metrics but got a; give every"),
        ([{"a": 1.0, "b": 2.0}, {"a": 1.0}], r"^Expected b in row 1 of the metrics but got a"),
    ):
        with pytest.raises(InputError, match=message):
            write_metrics_csv(rows, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.png"
    for write in (
        lambda: plot_learning_curves(make_rows(2), path),
        lambda: plot_rasters([make_panel()], path),
        lambda: write_metrics_csv(make_rows(2), path),
    ):
        with pytest.raises(InputError, match=r"^Expected to write .* but the system said: "):
            write()


def test_drawing_leaves_the_global_style_and_pyplot_alone(tmp_path):
    code = (
        "import sys, sim.analysis.training_figures as r\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"  # dict(...) would import pyplot
        "rows = [dict.fromkeys(r.CURVE_KEYS, 0.5)]\n"
        f"r.plot_learning_curves(rows, {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=False)
    assert done.returncode == 0
