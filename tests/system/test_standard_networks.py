"""Networks of the field: that the files say what the papers do, and that the programs run."""

import importlib.util
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "networks"


def load(name: str):
    """A program of the folder as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def brunel():
    return load("brunel")


@pytest.fixture(scope="module")
def microcircuit():
    return load("microcircuit")


@pytest.mark.parametrize(("name", "rate"), [("B", 55.8), ("C", 38.0), ("D", 6.5)])
def test_rates_by_theory_are_those_of_brunels_table_1(brunel, name, rate):
    found, cv = brunel.predict(brunel.STATES[name])
    assert found == pytest.approx(rate, abs=0.06)
    assert 0.6 < cv < 0.8


def test_the_file_of_brunels_network_is_state_c(brunel):
    tables = tomllib.loads((FOLDER / "brunel.toml").read_text())
    sizes = {name: one["size"] for name, one in tables["populations"].items()}
    assert sizes == {"excitatory": 10_000, "inhibitory": 2_500}
    recurrent = [p for p in tables["projections"] if not p["pre"].startswith("to_")]
    assert {(p["pre"], p["connect"]["in_degree"], p["weight"], p["delay"]) for p in recurrent} == {
        ("excitatory", 1000, 0.1, 1.5), ("inhibitory", 250, -0.5, 1.5)
    }  # fmt: skip
    assert len(recurrent) == 4
    assert {one["rate"] for one in tables["inputs"].values()} == {20.0}
    neuron = tomllib.loads((FOLDER / "brunel_neuron.toml").read_text())["parameters"]
    assert {name: one["default"] for name, one in neuron.items()} == {
        "tau": brunel.TAU, "V_th": brunel.THRESHOLD, "V_r": brunel.RESET, "t_ref": brunel.T_REF
    }  # fmt: skip


def test_a_state_changes_inhibition_and_what_comes_from_outside(brunel, tmp_path):
    brunel.write_file(brunel.STATES["B"], 50.0, tmp_path / "b.toml")
    tables = tomllib.loads((tmp_path / "b.toml").read_text())
    assert tables["network"]["duration"] == 50.0
    assert {p["weight"] for p in tables["projections"]} == {0.1, -0.6}
    assert {one["rate"] for one in tables["inputs"].values()} == {40.0}
    assert Path(tables["populations"]["excitatory"]["model"]).is_file()


def test_the_file_of_the_microcircuit_is_what_its_program_writes(microcircuit, tmp_path):
    result = CliRunner().invoke(microcircuit.main, ["--out", str(tmp_path), "--write"])
    assert result.exit_code == 0, result.output
    written = tomllib.loads((tmp_path / "microcircuit.toml").read_text())
    assert written == tomllib.loads((FOLDER / "microcircuit.toml").read_text())
    assert len(written["projections"]) == 8 + 55


def test_the_full_microcircuit_has_the_numbers_of_the_paper(microcircuit):
    tables = microcircuit.describe(1.0, 100.0)
    recurrent = [p for p in tables["projections"] if "rule" in p]
    # "77,169 neurons connected via about 0.3 billion synapses"; table 5: w = 87.8 pA
    assert sum(one["size"] for one in tables["populations"].values()) == 77_169
    assert sum(p["rule"]["total"] for p in recurrent) == pytest.approx(0.3e9, rel=0.01)
    assert microcircuit.find_weight() / microcircuit.RESISTANCE == pytest.approx(87.8, abs=0.05)
    assert {one["parameters"]["I_dc"] for one in tables["populations"].values()} == {0.0}
    assert tables["inputs"]["to_L6E"]["rate"] == pytest.approx(2900 * 0.008)


def test_scaling_keeps_mean_and_variance_of_the_input(microcircuit):
    def find_input(scale: float) -> np.ndarray:
        tables = microcircuit.describe(scale, 1.0)
        total = np.zeros((2, 8))
        rates = dict(zip(microcircuit.NAMES, microcircuit.FULL_RATES / 1000, strict=True))
        for p in tables["projections"]:
            place = microcircuit.NAMES.index(p["post"])
            if "rule" in p:
                mean = p["weight"]["normal"][0]
                size = tables["populations"][p["post"]]["size"]
                rate = p["rule"]["total"] / size * rates[p["pre"]]
            else:
                mean, rate = p["weight"], tables["inputs"][p["pre"]]["rate"]
            total[:, place] += [mean * rate * microcircuit.TAU_S, mean**2 * rate]
        total[0] += [one["parameters"]["I_dc"] for one in tables["populations"].values()]
        return total

    np.testing.assert_allclose(find_input(0.1), find_input(1.0), rtol=0.01)


def test_delays_have_the_mean_of_the_distribution_and_none_is_too_short(microcircuit):
    for mean, sd in microcircuit.DELAYS.values():
        delays = microcircuit.list_delays(mean, sd)
        # the mean of a normal distribution above 0.1 is a little larger
        assert mean < np.mean(delays) < 1.08 * mean
        assert min(delays) >= 0.1
        assert np.allclose(np.array(delays) * 10, np.rint(np.array(delays) * 10))


@pytest.mark.slow
def test_the_programs_run(brunel, microcircuit, tmp_path):
    for module, options in ((brunel, ["--state", "D", "--length", "0.06"]),
                            (microcircuit, ["--scale", "0.02", "--duration", "700"])):  # fmt: skip
        result = CliRunner().invoke(module.main, ["--out", str(tmp_path), *options])
        assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "microcircuit.json").read_text())
    assert [row["name"] for row in rows] == list(microcircuit.NAMES)
    rates = {row["name"]: row["rate"] for row in rows}
    assert all(rate < 20 for rate in rates.values())
    # at so small a scale L23E and L6E hardly spike (docs/networks.md)
    assert min(rates[name] for name in ("L4E", "L4I", "L5E", "L6I")) > 0.3
    assert {"brunel.png", "microcircuit.png"} < {p.name for p in tmp_path.iterdir()}
