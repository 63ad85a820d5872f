"""What is mutated, in proportion to lines, and which tests are to notice: file by file."""

DERIVE = ("tests/unit/test_derive.py", "tests/unit/test_derive_failures.py", "tests/golden")
LOWER = ("tests/unit/test_lower.py", "tests/golden")
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
PROOFS = (
    *("tests/unit/test_proofs.py", "tests/unit/test_obligations.py"),
    "tests/quality/test_planted_bugs_of_certify.py",
)
DISCHARGE = (
    *("tests/unit/test_discharge.py", "tests/unit/test_pile_up.py"),
    *("tests/unit/test_obligations.py", "tests/quality/test_planted_bugs_of_certify.py"),
)
ONE = "tests/properties/test_one_answer.py"
CIRCUITS = "tests/properties/test_gradients_of_circuits.py"
PORTS = "tests/properties/test_ports.py"
RECURRENT = (
    *("tests/unit/test_spike_queue.py", "tests/unit/test_event_loop.py"),
    *("tests/unit/test_differentiate.py", "tests/unit/test_plain_loop.py"),
    *("tests/unit/test_delivery.py", "tests/unit/test_instants.py"),
    *("tests/unit/test_ties.py", "tests/unit/test_recurrent.py", "tests/properties/test_routes.py"),
    *("tests/unit/test_durations.py", "tests/properties/test_ordered_inputs.py"),
    *("tests/properties/test_other_inputs.py", "tests/quality/test_two_answers.py"),
    *(
        f"{PORTS}::test_{name}"
        for name in (
            "gradients_by_weights_and_delays_at_every_port_are_those_of_50_digits",
            "gradients_by_a_current_are_those_of_differences",
            "the_derivative_by_the_time_of_tied_inputs_at_two_ports_is_the_mean_of_both_sides",
        )
    ),
    *(
        f"{ONE}::test_recurrent_networks_have_one_answer_in_both_event_loops[{model}]"
        for model in ("theta", "qif", "lif", "lif_delta")
    ),
    f"{ONE}::test_networks_with_ports_and_currents_have_one_answer_in_both_event_loops",
)
EVENTS = (
    *RECURRENT,
    "tests/quality/test_recurrent_bugs.py",
    *(
        f"{CIRCUITS}::test_gradients_of_spike_times_and_states_are_slopes_of_a_plain_loop[{kind}]"
        for kind in ("qif", "lif", "lif_delta")
    ),
    f"{CIRCUITS}::test_populations_of_different_models_and_parameters_run_together",
)
PLAIN = (*RECURRENT, f"{CIRCUITS}::test_the_plain_engine_goes_back_in_50_digits")
LAYERS = (
    "tests/unit/test_sample.py",
    "tests/unit/test_ties.py::test_the_layer_engine_has_the_same_derivatives",
    *("tests/unit/test_engine.py", "tests/unit/test_batch.py", "tests/unit/test_gradient.py"),
    "tests/unit/test_pseudo.py",
    "tests/quality/test_gradient_bugs.py",
    f"{ONE}::test_all_engines_give_one_answer_for_layers",
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
    "spiketheory/certification/discharge.py": DISCHARGE,
    "sim/events/loop.py": EVENTS,
    "sim/events/delivery.py": EVENTS,
    "sim/events/spike_queue.py": EVENTS,
    "sim/events/neurons.py": EVENTS,
    "sim/events/ties.py": EVENTS,
    "sim/events/backward.py": EVENTS,
    "sim/events/differentiate.py": EVENTS,
    "sim/network/instants.py": EVENTS,
    "sim/plain/loop.py": PLAIN,
    "sim/plain/backward.py": PLAIN,
    "sim/layers/sample.py": LAYERS,
    "sim/layers/forward.py": LAYERS,
    "sim/layers/crossings.py": LAYERS,
    "sim/layers/rounds.py": LAYERS,
    "sim/layers/backward.py": LAYERS,
}
"""Tests of each file, those first that notice soonest."""
