"""Tables of a sweep: one row per run, and one per setting with mean, spread and failures."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.analysis.sweep_figure import SettingPoint, plot_sweep
from sim.cluster.sweep_file import Sweep
from sim.cluster.train_task import DONE
from sim.training.train import Row
from spiketheory.files import write_text_atomically
from spiketheory.plain_text import replace_nonfinite

RUNS_CSV, SETTINGS_CSV, TABLES_JSON, FIGURE = "runs.csv", "settings.csv", "sweep.json", "sweep.png"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one run of a sweep ended.

    Attributes:
        number: Its place in the sweep.
        folder: Its folder, from that of the sweep.
        varied: What distinguishes it.
        status: ``done``, ``failed`` or ``stopped``.
        reason: Why it failed.
        rows: Metrics by epoch.
    """

    number: int
    folder: Path
    varied: Mapping[str, Any]
    status: str
    reason: str
    rows: list[Row]

    @property
    def last(self) -> Row:
        """Metrics of the last epoch; empty if there is none."""
        return self.rows[-1] if self.rows else {}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Runs that differ in what is averaged over alone.

    Attributes:
        varied: What they have in common.
        values: The metric of each that is done.
        stopped: How many the search stopped.
        failed: How many failed.
    """

    varied: Mapping[str, Any]
    values: list[float]
    stopped: int
    failed: int

    @property
    def mean(self) -> float:
        """Mean of the metric; NaN without a run that is done."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def spread(self) -> float:
        """Standard deviation of the metric over the runs; NaN for fewer than 2."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")

    @property
    def row(self) -> dict[str, Any]:
        """A row of the table."""
        return {
            **self.varied, "runs": len(self.values), "mean": self.mean, "spread": self.spread,
            "lowest": min(self.values, default=float("nan")),
            "highest": max(self.values, default=float("nan")),
            "stopped": self.stopped, "failed": self.failed,
        }  # fmt: skip


def collect_settings(sweep: Sweep, outcomes: Sequence[Outcome]) -> list[Setting]:
    """Settings in the order of their first runs."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(json.dumps(select(sweep, outcome)), []).append(outcome)
    return [
        Setting(
            varied=select(sweep, own[0]),
            values=[
                float(o.last[sweep.metric]) for o in own
                if o.status == DONE and np.isfinite(o.last.get(sweep.metric, np.nan))
            ],
            stopped=sum(o.status == "stopped" for o in own),
            failed=sum(o.status == "failed" for o in own),
        )
        for own in groups.values()
    ]  # fmt: skip


def select(sweep: Sweep, outcome: Outcome) -> dict[str, Any]:
    """What a run has in common with others that it is averaged with."""
    return {name: v for name, v in outcome.varied.items() if name not in sweep.average_over}


def find_best(sweep: Sweep, settings: Sequence[Setting]) -> Setting | None:
    """The setting with the best mean; None if no run is done."""
    done = [setting for setting in settings if setting.values]
    choose = max if sweep.goal == "maximise" else min
    return choose(done, key=lambda setting: setting.mean, default=None)


def write_tables(sweep: Sweep, outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write ``runs.csv``, ``settings.csv`` and ``sweep.json``, each whole or not at all."""
    settings = collect_settings(sweep, outcomes)
    best = find_best(sweep, settings)
    runs = [make_row(outcome) for outcome in outcomes]
    write_csv(runs, folder / RUNS_CSV)
    write_csv([setting.row for setting in settings], folder / SETTINGS_CSV)
    found = {
        "metric": sweep.metric, "goal": sweep.goal, "runs": runs,
        "settings": [setting.row for setting in settings], "best": best.row if best else None,
    }  # fmt: skip
    text = json.dumps(replace_nonfinite(found), indent=2, allow_nan=False)
    write_text_atomically(folder / TABLES_JSON, text + "\n")


def draw_table(sweep: Sweep, outcomes: Sequence[Outcome], folder: Path) -> Path | None:
    """Draw the settings; returns the figure's path, None if no run is done."""
    points = [
        SettingPoint(varied=s.varied, mean=s.mean, spread=s.spread, values=s.values)
        for s in collect_settings(sweep, outcomes) if s.values
    ]  # fmt: skip
    if not points:
        return None
    plot_sweep(points, sweep.metric, folder / FIGURE)
    return folder / FIGURE


def make_row(outcome: Outcome) -> dict[str, Any]:
    """A row of the table of runs; metrics are those of the last epoch.

    One that is called as an option that varies, such as the learning rate, has ``last_`` before it.
    """
    last = {f"last_{k}" if k in outcome.varied else k: v for k, v in outcome.last.items()}
    return {
        "number": outcome.number, "folder": str(outcome.folder), **outcome.varied,
        "status": outcome.status, "reason": outcome.reason, **last,
    }  # fmt: skip


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as CSV, one column for every key; lists and tables in JSON."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=keys, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}
        writer.writerow(cells)
    write_text_atomically(path, text.getvalue())
