"""Metrics by epoch: rows of numbers by name; what was not measured in an epoch is NaN."""

from sim.training.evaluate import Metrics

Row = dict[str, float]


def name_metrics(part: str, metrics: Metrics) -> Row:
    """Loss and accuracy under their names in rows of metrics."""
    return {
        f"{part}_loss": metrics.loss,
        f"{part}_accuracy": metrics.accuracy,
        f"{part}_loss_ordinary": metrics.loss_ordinary,
        f"{part}_accuracy_ordinary": metrics.accuracy_ordinary,
    }


def separate_validation(row: Row) -> Row:
    """Metrics of a run with validation, which earlier versions called those of the test."""
    if "validation_loss" in row:
        return row
    found: Row = {}
    for name, value in row.items():
        found[name.replace("test_", "validation_")] = value
    return found | {name: float("nan") for name in row if name.startswith("test_")}


def find_watched(row: Row) -> str:
    """Whether validation or test samples are looked at after every epoch."""
    return "validation" if "validation_loss" in row else "test"
