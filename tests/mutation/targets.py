"""What is mutated, in proportion to lines, and which tests are to notice: file by file."""

DERIVE = ("tests/unit/test_derive.py", "tests/unit/test_derive_failures.py", "tests/golden")
LOWER = ("tests/golden", "tests/unit/test_lower.py")
PLANTED, OTHERS = (
    "tests/quality/test_planted_bugs.py",
    "tests/quality/test_planted_bugs_of_methods.py",
)
SYMBOLIC = (
    "tests/unit/test_algebra.py",
    "tests/unit/test_cases.py",
    f"{PLANTED}::test_a_planted_bug_is_found_by_the_check_it_belongs_to",
    f"{PLANTED}::test_a_check_that_stands_behind_others_finds_bugs_alone",
)
CONTRACT = "tests/symbolic/test_verify.py"
VERIFY = (
    f"{CONTRACT}::test_every_check_is_reported_once[theta]",
    f"{CONTRACT}::test_every_check_is_reported_once[eif]",
    f"{CONTRACT}::test_a_chart_with_a_finite_threshold_and_no_multiples_verifies",
    f"{PLANTED}::test_a_planted_bug_is_found_by_the_check_it_belongs_to",
)
NUMERIC = (
    f"{PLANTED}::test_a_kernel_function_that_was_lowered_wrongly_is_found",
    f"{PLANTED}::test_an_error_that_no_float_shows_is_found",
    f"{PLANTED}::test_a_slip_of_the_printer_is_found",
    f"{PLANTED}::test_a_check_that_stands_behind_others_finds_bugs_alone",
)
TAYLOR = (
    "tests/unit/test_taylor_checks.py",
    "tests/unit/test_taylor_places.py::test_the_tolerance_follows_from_the_condition",
    f"{OTHERS}::test_a_kernel_function_that_was_lowered_wrongly_is_found",
    f"{OTHERS}::test_a_planted_bug_is_found_by_the_check_it_belongs_to",
)
PROOFS = ("tests/unit/test_proofs.py", "tests/quality/test_planted_bugs_of_certify.py")
EVENTS = (
    *("tests/unit/test_recurrent.py", "tests/unit/test_ties.py", "tests/properties/test_routes.py"),
    *("tests/quality/test_recurrent_bugs.py", "tests/unit/test_durations.py"),
)
LAYERS = (
    *("tests/unit/test_batch.py", "tests/unit/test_gradient.py", "tests/unit/test_pseudo.py"),
    "tests/quality/test_gradient_bugs.py",
)

TARGETS: dict[str, tuple[str, ...]] = {
    "spiketheory/symbolic/derive.py": DERIVE,
    "spiketheory/generation/lower.py": LOWER,
    "spiketheory/generation/lower_parameters.py": LOWER,
    "spiketheory/verification/algebra.py": SYMBOLIC,
    "spiketheory/verification/cases.py": SYMBOLIC,
    "spiketheory/verification/gradients.py": ("tests/unit/test_gradient_checks.py", *NUMERIC),
    "spiketheory/verification/numeric.py": ("tests/unit/test_numeric_checks.py", *NUMERIC),
    "spiketheory/verification/places.py": ("tests/unit/test_places.py", *NUMERIC),
    "spiketheory/verification/symbolic.py": ("tests/unit/test_symbolic_checks.py", *SYMBOLIC),
    "spiketheory/verification/taylor.py": TAYLOR,
    "spiketheory/verification/verify.py": VERIFY,
    "spiketheory/certification/proofs.py": PROOFS,
    "spiketheory/certification/discharge.py": PROOFS,
    "sim/events/loop.py": EVENTS,
    "sim/events/delivery.py": EVENTS,
    "sim/events/spike_queue.py": EVENTS,
    "sim/events/neurons.py": EVENTS,
    "sim/events/ties.py": EVENTS,
    "sim/events/backward.py": EVENTS,
    "sim/events/differentiate.py": EVENTS,
    "sim/network/instants.py": EVENTS,
    "sim/plain/loop.py": EVENTS,
    "sim/plain/backward.py": EVENTS,
    "sim/layers/sample.py": LAYERS,
    "sim/layers/forward.py": LAYERS,
    "sim/layers/crossings.py": LAYERS,
    "sim/layers/rounds.py": LAYERS,
    "sim/layers/backward.py": LAYERS,
}
"""Tests of each file, those first that notice soonest."""
