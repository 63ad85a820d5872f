"""What is mutated, in proportion to lines, and which tests are to notice: file by file."""

DERIVE = ("tests/unit/test_derive.py", "tests/unit/test_derive_failures.py", "tests/golden")
LOWER = ("tests/golden", "tests/unit/test_lower.py")
VERIFY = ("tests/quality/test_planted_bugs.py", "tests/symbolic/test_verify.py")
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
    "spiketheory/verification/cases.py": VERIFY,
    "spiketheory/verification/gradients.py": VERIFY,
    "spiketheory/verification/numeric.py": VERIFY,
    "spiketheory/verification/places.py": VERIFY,
    "spiketheory/verification/symbolic.py": VERIFY,
    "spiketheory/verification/taylor.py": VERIFY,
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
