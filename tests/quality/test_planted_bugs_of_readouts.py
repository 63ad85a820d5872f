"""Verification of readouts can fail: a slip planted in the derivation, or in the printed text."""

from dataclasses import replace
from functools import lru_cache

import pytest

import derivations
from spiketheory.errors import VerificationError
from spiketheory.generation.readout import lower_readout, print_readout
from spiketheory.language.symbols import SINCE_SPIKE, TIME, TRIAL_END
from spiketheory.symbolic.readout import derive_readout
from spiketheory.verification import readout as verification


@lru_cache
def derive(name):
    return derive_readout(derivations.read_readout(name))


def with_kernel(name, **changes):
    """A derivation whose kernel was changed, by functions of it."""
    d = derive(name)
    return replace(d, kernel=replace(d.kernel, **{k: f(d.kernel) for k, f in changes.items()}))


def swap(values):
    """Two derivatives, one in the place of the other."""
    return (values[1], values[0])


LEAKY, WINDOWS, AT_END = "leaky_integrator", "windows", "potential_at_end"


@pytest.mark.parametrize(
    ("derivation", "check"),
    [
        (lambda: replace(derive("maximum"), state=derive("maximum").state[::-1]), "response"),
        (lambda: replace(derive("maximum"), slope=-derive("maximum").slope), "response gradient"),
        (lambda: replace(derive("maximum"), by=swap(derive("maximum").by)), "response gradient"),
        (lambda: with_kernel(LEAKY, value=lambda k: k.value * TRIAL_END), "kernel"),
        (lambda: with_kernel(AT_END, value=lambda k: k.value.subs(TIME, TIME / 2)), "kernel"),
        (lambda: with_kernel(WINDOWS, value=lambda k: 1 - k.value), "kernel"),
        (lambda: with_kernel(LEAKY, slope=lambda k: -k.slope), "kernel gradient"),
        (lambda: with_kernel(WINDOWS, slope=lambda k: 2 * k.slope), "kernel gradient"),
        (lambda: with_kernel(LEAKY, by=lambda k: swap(k.by)), "kernel gradient"),
        (lambda: with_kernel(AT_END, at_end=lambda k: (*k.at_end[:1], 0, 0)), "trial's end"),
        (lambda: with_kernel("count", at_end=lambda k: (0, 0, 0)), "trial's end"),
    ],
)
def test_a_slip_of_the_derivation_is_found(derivation, check):
    with pytest.raises(VerificationError, match=f"Check '{check}' failed"):
        verification.verify_readout(lower_readout(derivation()))


@pytest.mark.parametrize(
    ("name", "right", "wrong", "check"),
    [
        (LEAKY, "exp_dd((np.mpf('0.0')", "exp_dd((np.mpf('0.1')", "kernel against quadrature"),
        (AT_END, "if time > duration", "if time > 3 * duration", "nothing after the trial's end"),
        (WINDOWS, "2 * h", "3 * h", "kernel against quadrature"),
        (WINDOWS, "n_windows - m", "n_windows + m", "kernel against quadrature"),
        ("linear_window", "return -1 / duration", "return -2 / duration", "against quadrature"),
        (LEAKY, "t0 ** 3", "t0 ** 2", "gradient against differences"),
        ("maximum", "bar * ", "bar + ", "gradient against differences"),
    ],
)  # fmt: skip
def test_a_slip_of_the_printer_is_found(monkeypatch, name, right, wrong, check):
    def misprint(ir, **options):
        text = print_readout(ir, **options)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(verification, "print_readout", misprint)
    with pytest.raises(VerificationError, match=check):
        verification.verify_readout(lower_readout(derive(name)))


def test_without_a_slip_every_check_passes():
    assert len(verification.verify_readout(lower_readout(derive(AT_END))).checks) == 8
    assert SINCE_SPIKE not in derive(AT_END).kernel.value.free_symbols
