"""What is mutated, in proportion to lines, and which tests are to notice: file by file."""

DERIVE = ("tests/unit/test_derive.py", "tests/unit/test_derive_failures.py", "tests/golden")
LOWER = ("tests/unit/test_lower.py", "tests/golden")
PLANTED, OTHERS = (
    "tests/quality/test_planted_bugs.py",
    "tests/quality/test_planted_bugs_of_methods.py",
)
SYMBOLIC = (
    f"{PLANTED}::test_a_planted_bug_is_found_by_the_check_it_belongs_to",
    f"{PLANTED}::test_a_check_that_stands_behind_others_finds_bugs_alone",
)
NUMERIC = (
    f"{PLANTED}::test_a_kernel_function_that_was_lowered_wrongly_is_found",
    f"{PLANTED}::test_an_error_that_no_float_shows_is_found",
    f"{PLANTED}::test_a_slip_of_the_printer_is_found",
    f"{PLANTED}::test_a_check_that_stands_behind_others_finds_bugs_alone",
)
TAYLOR = (
    f"{OTHERS}::test_a_kernel_function_that_was_lowered_wrongly_is_found",
    f"{OTHERS}::test_a_planted_bug_is_found_by_the_check_it_belongs_to",
)
PROOFS = (
    *("tests/unit/test_proofs.py", "tests/unit/test_obligations.py"),
    "tests/quality/test_planted_bugs_of_certify.py",
)
DISCHARGE = (
    *("tests/unit/test_discharge.py", "tests/unit/test_pile_up.py"),
    *("tests/unit/test_obligations.py", "tests/quality/test_planted_bugs_of_certify.py"),
)
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
    "spiketheory/verification/cases.py": SYMBOLIC,
    "spiketheory/verification/gradients.py": NUMERIC,
    "spiketheory/verification/numeric.py": NUMERIC,
    "spiketheory/verification/places.py": NUMERIC,
    "spiketheory/verification/symbolic.py": SYMBOLIC,
    "spiketheory/verification/taylor.py": TAYLOR,
    "spiketheory/verification/verify.py": SYMBOLIC,
    "spiketheory/certification/proofs.py": PROOFS,
    "spiketheory/certification/discharge.py": DISCHARGE,
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
