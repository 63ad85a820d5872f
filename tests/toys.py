"""A toy task for tests of training: three classes of 2x3 images."""

from functools import lru_cache

import numpy as np

from sim.training.data import Dataset

TOY = {
    "parameters": {"tau": 1.909859317102744, "I0": 1.25},
    "hidden": (5,),
    "epochs": 3,
    "batch": 8,
    "learning_rate": 2e-2,
}


@lru_cache(maxsize=1)
def make_toy(n_train=20, n_test=6):
    """Three classes of 2x3 images: one column is bright."""
    rng = np.random.default_rng(0)

    def draw(n):
        labels = np.arange(n) % 3
        images = rng.uniform(0, 0.4, (n, 2, 3))
        images[np.arange(n), :, labels] += 0.6
        return images.reshape(n, 6), labels

    (train_inputs, train_labels), (test_inputs, test_labels) = draw(n_train), draw(n_test)
    return Dataset(
        name="toy",
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        n_classes=3,
        image_shape=(2, 3),
    )


def drop_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def assert_same(first, second):
    """Weights, optimiser and metrics are equal bit for bit."""
    for a, b in zip(first.parameters, second.parameters, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.optimiser_state.keys() == second.optimiser_state.keys()
    for name, array in first.optimiser_state.items():
        np.testing.assert_array_equal(array, second.optimiser_state[name])
    np.testing.assert_equal(drop_seconds(first.rows), drop_seconds(second.rows))
    assert first.epoch == second.epoch
