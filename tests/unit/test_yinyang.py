"""The yin-yang sign: its geometry, and the samples that are drawn from it."""

import numpy as np
import pytest

from sim.training.data import load_dataset
from sim.training.yinyang import R_BIG, R_SMALL, classify_yinyang, draw_points

PARTS = ("train", "validation", "test")


def list_parts():
    dataset = load_dataset("yinyang")
    return [(getattr(dataset, f"{p}_inputs"), getattr(dataset, f"{p}_labels")) for p in PARTS]


def test_the_parts_have_the_published_sizes():
    assert [inputs.shape for inputs, _ in list_parts()] == [(5000, 5), (1000, 5), (1000, 5)]
    dataset = load_dataset("yinyang")
    assert (dataset.n_classes, dataset.image_shape) == (3, None)


def test_inputs_are_the_point_its_mirror_image_and_a_bias():
    for inputs, _ in list_parts():
        np.testing.assert_allclose(inputs[:, 2:4], 1 - inputs[:, :2], atol=1e-7)
        assert (inputs[:, 4] == 1).all()


def test_labels_are_the_parts_of_the_sign_that_the_points_lie_in():
    for inputs, labels in list_parts():
        np.testing.assert_array_equal(classify_yinyang(inputs[:, :2]), labels)


def test_classes_are_equally_likely():
    counts = np.bincount(load_dataset("yinyang").train_labels)
    assert np.abs(counts - 5000 / 3).max() < 4 * np.sqrt(5000 * 2 / 9)


def test_no_point_is_in_two_parts():
    points = np.concatenate([inputs for inputs, _ in list_parts()])
    assert len(np.unique(points, axis=0)) == 7000


def test_the_same_seed_draws_the_same_points():
    first, second, other = draw_points(50, 1), draw_points(50, 1), draw_points(50, 2)
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[0], other[0])


def test_points_of_a_class_fill_its_part_of_the_sign():
    """Half of the dots' area lies left, and a quarter within half the radius of their middles."""
    points, labels = draw_points(4000, 0)
    dots = points[labels == 2]
    middles = np.where(dots[:, :1] < R_BIG, [[0.25, 0.5]], [[0.75, 0.5]])
    distance = np.hypot(*(dots - middles).T)
    spread = 4 * np.sqrt(0.25 / len(dots))
    assert abs((dots[:, 0] < R_BIG).mean() - 0.5) < spread
    assert abs((distance < R_SMALL / 2).mean() - 0.25) < spread


def test_the_points_of_yin_are_those_of_yang_after_half_a_turn():
    points, labels = draw_points(4000, 0)
    yin, yang = points[labels == 0], 1 - points[labels == 1]
    spread = 4 * np.sqrt(2) * points.std() / np.sqrt(len(yin))
    assert np.abs(yin.mean(axis=0) - yang.mean(axis=0)).max() < spread
    assert np.abs(points - R_BIG).max() > 0.98 * R_BIG


@pytest.mark.parametrize(
    ("point", "label"),
    [
        ((0.25, 0.5), 2),
        ((0.75, 0.59), 2),
        ((0.25, 0.62), 0),
        ((0.25, 0.3), 0),
        ((0.5, 0.9), 0),
        ((0.75, 0.38), 1),
        ((0.75, 0.7), 1),
        ((0.5, 0.1), 1),
        ((0.02, 0.02), -1),
        ((0.99, 0.9), -1),
    ],
)
def test_a_point_has_the_class_seen_in_the_picture(point, label):
    assert classify_yinyang([point]).tolist() == [label]


def test_half_a_turn_swaps_yin_and_yang():
    points = np.random.default_rng(0).random((2000, 2))
    swapped = np.array([1, 0, 2, -1])[classify_yinyang(points)]
    np.testing.assert_array_equal(classify_yinyang(1 - points), swapped)


def test_yin_yang_and_the_dots_have_the_areas_of_the_geometry():
    """Yin and yang are equal by symmetry; both dots have 2 pi R_SMALL^2 of the sign."""
    side = (np.arange(1000) + 0.5) / 1000
    labels = classify_yinyang(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2))
    dots = 2 * np.pi * R_SMALL**2
    each = (np.pi * R_BIG**2 - dots) / 2
    areas = [(labels == label).mean() for label in range(3)]
    np.testing.assert_allclose(areas, [each, each, dots], atol=2e-3)
