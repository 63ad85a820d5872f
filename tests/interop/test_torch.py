"""Networks as modules of PyTorch: its own checks of operators and derivatives, and all it does."""

import copy
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.extras import need

need("torch", "torch")

import torch  # noqa: E402
from torch.library import opcheck  # noqa: E402

import sim  # noqa: E402
from derivations import compile_model, compile_readout  # noqa: E402
from sim.interop import torch_ops  # noqa: E402
from sim.interop.torch import SpikingLayer, SpikingNetwork  # noqa: E402
from sim.network.network import Network, Population, Projection, SpikeTrains  # noqa: E402
from spiketheory.errors import InputError, ModelError  # noqa: E402

ROOT = Path(sim.__file__).parents[1]
DURATION, N_TRIALS, N_CHANNELS, N_OUTPUTS = 4.5, 3, 4, 3
DOUBLE = torch.float64
NO_CHANNELS = torch.empty(0, dtype=torch.int64)


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads of PyTorch that wait take the processor from those that work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_network(**options) -> Network:
    rng = np.random.default_rng(3)
    weights = [rng.normal(0.5, 0.3, (5, N_CHANNELS)), rng.normal(0.3, 0.4, (N_OUTPUTS, 5))]
    model = compile_model("theta", backend="numpy")
    return sim.layered(model, weights, duration=DURATION, parameters={"I0": 1.25}, **options)


def with_logits(network: Network) -> Network:
    rng = np.random.default_rng(4)
    n_neurons = network.populations[-1].size
    readout = sim.LinearReadout(
        compiled=compile_readout("leaky_integrator", backend="numpy"),
        weights=rng.normal(0.0, 1.0, (N_OUTPUTS, n_neurons)), bias=rng.normal(size=N_OUTPUTS),
    )  # fmt: skip
    return replace(network, readouts=[readout])


def make_sparse() -> Network:
    """Two models, a mask, a loop and delays, which the event engine alone runs."""
    rng = np.random.default_rng(5)
    theta, qif = (compile_model(name, backend="numpy") for name in ("theta", "qif"))
    mask = rng.random((3, N_CHANNELS)) < 0.7
    return Network(
        populations=[
            Population(name="cells", model=theta, size=3, parameters={"I0": 1.25}),
            Population(name="out", model=qif, size=2),
        ],
        inputs=[SpikeTrains(name="world", size=N_CHANNELS, times=[], channels=np.empty(0, int))],
        projections=[
            Projection(pre="world", post="cells", weights=rng.normal(0.5, 0.3, mask.shape),
                       mask=mask, delays=0.1),
            Projection(pre="cells", post="cells", weights=rng.normal(0.0, 0.2, (3, 3)), delays=0.3),
            Projection(pre="cells", post="out", weights=rng.normal(2.0, 0.3, (2, 3)), delays=0.2),
        ],
        duration=DURATION,
    )  # fmt: skip


def make_module(kind: str) -> SpikingNetwork:
    if kind == "first spikes":
        return SpikingNetwork(make_network(), dtype=DOUBLE)
    if kind == "two spikes of each":
        return SpikingNetwork(make_network(n_spikes=2), dtype=DOUBLE)
    if kind == "logits":
        return SpikingNetwork(with_logits(make_network()), dtype=DOUBLE)
    if kind == "spikes":
        return SpikingNetwork(make_network(), room=12, dtype=DOUBLE)
    learn = ("weights", "delays", "initial", "parameters")
    return SpikingNetwork(make_sparse(), learn=learn, dtype=DOUBLE)


KINDS = ("first spikes", "two spikes of each", "logits", "spikes", "any network")


def make_latencies() -> torch.Tensor:
    drawn = np.random.default_rng(6).uniform(0, 1, (N_TRIALS, N_CHANNELS))
    return torch.tensor(drawn, dtype=DOUBLE)


def pad(latencies: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same spikes as padded tensors, out of order and with gaps."""
    channels = torch.arange(N_CHANNELS).flip(0).expand(latencies.shape)
    times, channels = latencies.flip(1), channels.clone()
    gap = torch.full((len(latencies), 1), torch.inf, dtype=DOUBLE)
    none = torch.full((len(latencies), 1), -1)
    return torch.cat([gap, times, gap], dim=1), torch.cat([none, channels, none], dim=1)


def read_finite(found) -> torch.Tensor:
    values = found[0] if isinstance(found, tuple) else found
    return torch.where(torch.isfinite(values), values, 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_that_gradcheck_finds(kind):
    module, latencies = make_module(kind), make_latencies()[:1].requires_grad_()

    def run(times, *parameters):
        named = dict(zip(module.names, parameters, strict=True))
        return read_finite(torch.func.functional_call(module, named, pad(times)))

    parameters = module.list_parameters()
    assert torch.any(run(latencies, *parameters) != 0)
    assert torch.autograd.gradcheck(
        run, (latencies, *parameters), eps=1e-6, atol=1e-7, rtol=1e-5, fast_mode=True
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_operators_pass_opcheck(kind):
    module, latencies = make_module(kind), make_latencies()
    key, parameters = module.handed_over.key, module.list_parameters()
    for keeps in (True, False):
        given = (key, latencies.requires_grad_(), NO_CHANNELS, parameters, keeps)
        assert set(opcheck(torch_ops.run, given).values()) == {"SUCCESS"}
    values = read_finite(module(latencies)).detach()
    fixed = [p.detach() for p in parameters]
    for wanted in (True, False):
        given = (key, latencies.detach(), NO_CHANNELS, fixed, torch.ones_like(values), wanted)
        assert set(opcheck(torch_ops.pull_back, given).values()) == {"SUCCESS"}


def test_a_loss_of_pytorch_has_the_gradients_of_the_product():
    network, latencies = make_network(), make_latencies()
    module, labels = SpikingNetwork(network, dtype=DOUBLE), torch.arange(N_TRIALS)
    outcome, wanted = sim.loss_and_gradient(
        network, sim.Trials.from_latencies(latencies.numpy()), labels.numpy(),
        sim.make_first_spike_loss(gamma=0.0, duration=DURATION),
    )  # fmt: skip
    loss = torch.nn.functional.cross_entropy(-module(latencies), labels)
    loss.backward()
    assert loss.item() == pytest.approx(outcome.loss.mean(), rel=1e-12)
    for k, name in enumerate(("weights_input_hidden1", "weights_hidden1_output")):
        found = getattr(module, name).grad.numpy()
        np.testing.assert_allclose(found, wanted.weights[k], rtol=1e-10, atol=1e-14)
    found = module.initial_hidden1_phi0.grad.numpy()
    np.testing.assert_allclose(found, wanted.initial[0]["phi0"], rtol=1e-10)


@pytest.mark.parametrize("kind", ["first spikes", "logits", "any network"])
def test_latencies_padded_tensors_and_bins_are_one(kind):
    module, times = make_module(kind), torch.tensor([0.2, 0.7], dtype=DOUBLE)
    bins = torch.tensor([[0, 1, 2, 0], [1, 1, 0, 2], [0, 0, 0, 1]], dtype=torch.uint8)
    latencies = torch.cat([times, torch.tensor([torch.inf], dtype=DOUBLE)])[bins.long()]
    there = torch.isfinite(latencies)
    channels = torch.where(there, torch.arange(N_CHANNELS), -1)
    grads = []
    for given in ((latencies.clone(),), (latencies.clone(), channels), (times, bins)):
        given[0].requires_grad_()
        found = module(*given)
        found.square().sum().backward()
        grads.append((found.detach(), given[0].grad))
    for found, _ in grads[1:]:
        torch.testing.assert_close(found, grads[0][0], rtol=1e-12, atol=0.0)
    torch.testing.assert_close(grads[1][1], grads[0][1])
    by_bin = torch.stack([grads[0][1][bins == b].sum() for b in (0, 1)])
    torch.testing.assert_close(grads[2][1], by_bin)
    assert torch.all(grads[0][1][~there] == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tape_is_used_once_and_what_comes_after_it_is_the_same(kind):
    module, latencies = make_module(kind), make_latencies().requires_grad_()
    own, parameters = module.handed_over, module.list_parameters()
    found = read_finite(module(latencies))
    with torch.no_grad():
        torch.testing.assert_close(
            read_finite(module(latencies.clone())), found, rtol=1e-12, atol=0
        )
    assert (own.last.tape is None) == (kind in ("first spikes", "two spikes of each"))
    first = torch.autograd.grad(found.square().sum(), (latencies, *parameters), retain_graph=True)
    assert own.last.tape is None
    again = torch.autograd.grad(found.square().sum(), (latencies, *parameters), retain_graph=True)
    module(0.5 * latencies)
    after = torch.autograd.grad(found.square().sum(), (latencies, *parameters))
    for a, b, c in zip(first, again, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(a, c, rtol=1e-12, atol=1e-14)


def test_too_little_room_is_an_error_and_never_nan():
    module = SpikingNetwork(make_network(), room=2)
    with pytest.raises(InputError, match=r"at most 2 spikes of output .*; make room for"):
        module(make_latencies().float())


def test_layers_in_a_row_do_what_the_whole_network_does():
    network, latencies = make_network(), make_latencies()
    whole = SpikingNetwork(network, room=12, dtype=DOUBLE)
    model = network.populations[0].model
    sizes = ((N_CHANNELS, 5), (5, N_OUTPUTS))
    layers = [
        SpikingLayer(
            model, *size, duration=DURATION, room=20, parameters={"I0": 1.25}, dtype=DOUBLE
        )
        for size in sizes
    ]
    with torch.no_grad():
        for layer, array in zip(layers, (p.weights for p in network.projections), strict=True):
            layer.weights_input_layer.copy_(torch.tensor(array))
    a = pad(latencies)
    a[0].requires_grad_()
    times, neurons = layers[1](*layers[0](*a))
    wanted, of_neurons = whole(*a)
    assert torch.equal(neurons[:, :12], of_neurons)
    torch.testing.assert_close(times[:, :12], wanted)
    assert torch.all(torch.isinf(times[:, 12:]))
    by_times = [
        torch.autograd.grad(read_finite(t).square().sum(), a[0], retain_graph=True)[0]
        for t in (times, wanted)
    ]
    torch.testing.assert_close(*by_times)
    assert torch.any(by_times[0] != 0)


def test_modules_copy_pickle_and_load_their_state():
    module, latencies = make_module("logits"), make_latencies()
    wanted = module(latencies).detach()
    twin = copy.deepcopy(module)
    for other in (twin, pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(latencies), wanted)
        with torch.no_grad():
            other.readout_bias += 1.0
        assert torch.equal(module(latencies), wanted)
        torch.testing.assert_close(other(latencies), wanted + 1.0)
    module.load_state_dict(twin.state_dict())
    torch.testing.assert_close(module(latencies), wanted + 1.0)
    network = module.network
    found = sim.predict(network, sim.Trials.from_latencies(latencies.numpy()))
    torch.testing.assert_close(torch.tensor(found.logits), wanted + 1.0)


def test_another_process_runs_a_module_that_it_was_sent(tmp_path):
    module, latencies = make_module("first spikes"), make_latencies()
    (tmp_path / "sent").write_bytes(pickle.dumps((module, latencies, module(latencies))))
    code = (
        "import pickle, sys, torch\n"
        "module, latencies, wanted = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(torch.equal(module(latencies), wanted))"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "sent")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "True"


class Encoded(torch.utils.data.Dataset):
    """Spikes made by the workers that load them, with a module in them."""

    def __init__(self) -> None:
        self.module, self.latencies = make_module("first spikes"), make_latencies()

    def __len__(self) -> int:
        return N_TRIALS

    def __getitem__(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return self.latencies[k], self.module(self.latencies[k : k + 1])[0]


def test_workers_of_a_data_loader_run_modules():
    dataset = Encoded()
    loader = torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=1)
    found = [torch.cat(part) for part in zip(*loader, strict=True)]
    torch.testing.assert_close(dataset.module(found[0]), found[1])


class Mixed(torch.nn.Module):
    """Dense, spiking, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(2, N_CHANNELS)
        self.spiking = SpikingNetwork(with_logits(make_network()))
        self.last = torch.nn.Linear(N_OUTPUTS, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.spiking(torch.sigmoid(self.first(x))))


def test_a_stack_of_dense_and_spiking_layers_learns_with_an_optimiser_of_pytorch():
    torch.manual_seed(0)
    module = Mixed()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    module.spiking.project_after(optimiser)
    x = torch.rand(6, 2)
    y = (x[:, 0] > x[:, 1]).long()
    losses = []
    for _ in range(25):
        loss = torch.nn.functional.cross_entropy(module(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert module.first.weight.grad.abs().min() > 0
    assert losses[-1] < 0.7 * losses[0]


def test_torch_compile_goes_around_a_network_without_a_break():
    torch.manual_seed(1)
    module = Mixed()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    x = torch.rand(3, 2)
    wanted, found = module(x), compiled(x)
    torch.testing.assert_close(found, wanted)
    grads = [
        torch.autograd.grad(out.square().sum(), list(module.parameters()))
        for out in (wanted, found)
    ]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_a_step_beyond_the_bounds_is_refused_with_the_remedy_or_projected():
    module, latencies = make_module("any network"), make_latencies()
    with torch.no_grad():
        module.delays_cells_cells[0, 0] = -0.5
    with pytest.raises(InputError, match=r"delays_cells_cells from 0 to inf .*call project\(\)"):
        module(latencies)
    module.project()
    assert module.delays_cells_cells[0, 0].item() == 0.0
    with torch.no_grad():
        module.initial_cells_phi0[1] = 4.0
    with pytest.raises(InputError, match=r"initial_cells_phi0 from 0 to 3\.14159 but got"):
        module(latencies)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.0)
    module.project_after(optimiser)
    optimiser.step()
    assert module.initial_cells_phi0[1].item() == pytest.approx(np.pi, abs=1e-15)
    assert torch.all(torch.isfinite(module(latencies)))
    with torch.no_grad():
        module.parameter_out_tau_m[:] = -1.0
    with pytest.raises(ModelError, match="Expected tau_m > 0"):
        module(latencies)


def test_projecting_single_precision_stays_within_bounds_that_it_cannot_write_down():
    module = SpikingNetwork(make_network(), dtype=torch.float32)
    with torch.no_grad():
        module.initial_hidden1_phi0[:] = 9.0
    module.project()
    assert module(make_latencies().float()).dtype == torch.float32


def test_weights_that_start_at_0_learn_and_a_mask_says_what_is_connected():
    network = make_sparse()
    silent = [replace(p, weights=np.zeros(p.matrix.shape)) for p in network.projections]
    module = SpikingNetwork(replace(network, projections=silent), dtype=DOUBLE)
    assert module.weights_world_cells.shape == (network.projections[0].matrix.nnz,)
    assert module.weights_cells_cells.shape == (3, 3)
    module(make_latencies()).sum().backward()
    assert torch.all(module.weights_cells_out.grad != 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "spikes"}, "Expected room for spikes exactly where the output is 'spikes'"),
        (
            {"output": "logits"},
            "Expected a network whose first readout gives logits but got output",
        ),
        ({"learn": ("weight",)}, "Expected learn to be one of"),
        ({"output": "trains"}, "Expected output to be one of"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        SpikingNetwork(make_network(), **options)


def test_a_module_says_what_it_is():
    assert re.search(r"SpikingNetwork\(Network\(hidden1 \(5 theta\), .*output=first_spikes\)",
                     repr(make_module("first spikes")))  # fmt: skip


def test_the_example_in_the_page_about_pytorch_learns_mnist(data_dir, monkeypatch):
    """On a tenth of the samples, for a few epochs."""
    page = (ROOT / "docs" / "torch.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert code.count("60_000") == 1
    monkeypatch.setenv("SPIKETHEORY_DATA", str(data_dir))
    torch.manual_seed(0)
    found: list[float] = []
    exec(
        code.replace("60_000", "6_000").replace("split(1000)", "split(200)"),
        {"print": found.append},
    )
    assert len(found) == 6
    assert found[-1] > 0.9
