import copy
import dataclasses
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from spiketheory.errors import ModelError
from spiketheory.language import symbols
from spiketheory.language.model import (
    NeuronModel,
    Parameter,
    SpikeCondition,
    conjuncts,
    format_expression,
    join_relations,
    make_relation,
    suggest,
)
from spiketheory.language.parse import parse_expression, parse_model

V = symbols.state_symbol("V")
U = symbols.state_symbol("u")
TAU = symbols.parameter_symbol("tau", positive=True)
I0 = symbols.parameter_symbol("I0", positive=True)
W = symbols.WEIGHT
POSITIVE_TAU = make_relation(TAU, ">", sp.Integer(0))


def make_parameter(**changes):
    values = {"name": "tau", "symbol": TAU, "default": 1.0, "domain": POSITIVE_TAU, "unit": "ms"}
    return Parameter(**values | changes)


def make_theta(**changes):
    above = make_relation(I0, ">", sp.Rational(1, 4))
    values = {
        "name": "theta",
        "state": (V,),
        "derivatives": ((V * (V - 1) + I0) / TAU,),
        "spike": SpikeCondition(variable=V, value=sp.oo),
        "reset": (-sp.oo,),
        "jump": (V + W,),
        "rest": (sp.Rational(1, 2),),
        "parameters": (
            make_parameter(),
            Parameter(name="I0", symbol=I0, default=1.25, domain=above),
        ),
        "description": "An oscillator",
    }
    return NeuronModel(**values | changes)


def make_two(**changes):
    values = {
        "name": "two",
        "state": (V, U),
        "derivatives": (V**2 - U, V - U),
        "spike": SpikeCondition(variable=V, value=sp.Integer(1)),
        "reset": (sp.Integer(0), U + 1),
        "jump": (V + W, U),
        "rest": (sp.Integer(0), sp.Integer(0)),
    }
    return NeuronModel(**values | changes)


def test_records_are_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_theta().name = "other"
    with pytest.raises(TypeError, match="positional"):
        SpikeCondition(V, sp.oo)


def test_a_spike_condition_knows_whether_it_is_a_blow_up():
    assert SpikeCondition(variable=V, value=sp.oo).is_blowup
    assert not SpikeCondition(variable=V, value=sp.Integer(1)).is_blowup


def test_a_model_hands_out_its_symbols_and_parameters_by_name():
    model = make_theta()
    assert model.symbols == {"V": V, "tau": TAU, "I0": I0}
    assert model.parameter("tau").unit == "ms"


def test_an_unknown_parameter_is_named_with_a_suggestion():
    with pytest.raises(
        ModelError, match=r"Expected a parameter of theta \(tau, I0\) but got 'tua'"
    ):
        make_theta().parameter("tua")
    with pytest.raises(ModelError, match=r"did you mean 'tau'\?"):
        make_theta().parameter("tua")
    with pytest.raises(ModelError, match="it has none"):
        make_two().parameter("tau")


def test_parameters_left_out_take_their_defaults_in_the_order_of_the_model():
    values = make_theta().check_parameters({"I0": np.float32(0.5)})
    assert list(values.items()) == [("tau", 1.0), ("I0", 0.5)]
    assert all(type(value) is float for value in values.values())


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        "1",
        None,
        True,
        1j,
        10**400,
        pytest.param(10**5000, id="huge"),
    ],
)
def test_a_parameter_that_is_no_finite_number_is_refused(value):
    with pytest.raises(ModelError, match="Expected a finite number for tau but got tau="):
        make_theta().check_parameters({"tau": value})


@pytest.mark.parametrize(("name", "value"), [("tau", 0), ("tau", -1.0), ("I0", 0.25), ("I0", -3)])
def test_a_parameter_outside_its_domain_is_refused(name, value):
    bound = {"tau": "tau > 0", "I0": "I0 > 1/4"}[name]
    with pytest.raises(ModelError) as caught:
        make_theta().check_parameters({name: value})
    assert str(caught.value) == (
        f"Expected {bound} in theta but got {name}={float(value)!r}; "
        f"choose {name} inside its domain."
    )


def test_an_unknown_override_is_refused():
    with pytest.raises(ModelError, match="Expected a parameter of theta"):
        make_theta().check_parameters({"V": 1.0})


def test_a_decimal_on_the_edge_of_a_closed_domain_is_inside():
    x = symbols.parameter_symbol("x")
    domain = make_relation(x, "<=", sp.Rational(1, 10))
    model = make_two(parameters=(Parameter(name="x", symbol=x, default=0.1, domain=domain),))
    assert model.check_parameters({}) == {"x": 0.1}


def test_a_domain_that_has_no_real_value_does_not_hold():
    x = symbols.parameter_symbol("x")
    domain = make_relation(sp.sqrt(x), "<", sp.Integer(3))
    model = make_two(parameters=(Parameter(name="x", symbol=x, default=4.0, domain=domain),))
    with pytest.raises(ModelError, match=r"Expected sqrt\(x\) < 3 in two but got x=-1.0"):
        model.check_parameters({"x": -1})


def test_a_domain_may_relate_two_parameters():
    low, high = symbols.parameter_symbol("low"), symbols.parameter_symbol("high")
    domain = make_relation(low, "<", high)
    parameters = (
        Parameter(name="low", symbol=low, default=0.0, domain=domain),
        Parameter(name="high", symbol=high, default=1.0),
    )
    model = make_two(parameters=parameters)
    assert model.check_parameters({"high": 2}) == {"low": 0.0, "high": 2.0}
    with pytest.raises(ModelError, match=r"Expected low < high in two but got high=-1.0, low=0.0"):
        model.check_parameters({"high": -1})


def test_a_default_outside_its_domain_is_refused():
    with pytest.raises(ModelError, match=r"Expected tau > 0 in theta but got tau=-1.0"):
        make_theta(parameters=(make_parameter(default=-1), make_theta().parameter("I0")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "my model"}, "Expected a free name for the model but got 'my model'"),
        ({"name": 3}, "got 3, which is not text; choose another name, such as my_neuron"),
        ({"name": "n" * 100}, r"got 'nnn.*\.\.\., which is longer than 64"),
        ({"reset": ()}, "Expected reset of two to have 2 entries.*but got 0; keep their order"),
        ({"jump": (V,)}, "Expected jump of two to have 2 entries"),
        ({"derivatives": (V,)}, "Expected derivatives of two to have 2 entries"),
        ({"rest": (V,)}, "Expected rest of two to have 2 entries"),
        ({"derivatives": (sp.Symbol("x"), V)}, "Expected only V, u in the derivatives .* got 'x'"),
        ({"derivatives": (sp.Symbol("V"), V)}, "same name but other assumptions"),
        ({"derivatives": (W, V)}, "in the derivatives of two but got 'w'"),
        ({"reset": (W, U)}, "in the reset of two but got 'w'"),
        ({"rest": (U, U)}, "Expected only numbers in the rest of two but got 'u'"),
        ({"spike": SpikeCondition(variable=W, value=sp.oo)}, "in the spike of two but got 'w'"),
        ({"spike": SpikeCondition(variable=V, value=V + 1)}, "Expected only u in the spike"),
        ({"spike": SpikeCondition(variable=V, value=-sp.oo)}, "finite expression in the spike"),
        ({"derivatives": (sp.oo, V)}, "Expected a finite expression in the derivatives of two"),
        ({"derivatives": (sp.nan, V)}, "Expected a finite expression in the derivatives of two"),
        ({"jump": (V + W, -sp.oo)}, "Expected a finite expression in the input of two but got -oo"),
        ({"rest": (sp.oo, V * 0)}, "Expected a finite expression in the rest of two"),
        ({"reset": (sp.oo, U)}, "Expected a finite expression in the reset of two but got oo"),
        ({"reset": (V * 0, -sp.oo)}, "only it may be reset to -oo"),
        ({"jump": (V + 1, U)}, "Expected the input of two to depend on the weight w"),
        ({"assumptions": (sp.false,)}, "Expected an assumption that relates w.*but got False"),
        ({"assumptions": (sp.Symbol("x") > 0,)}, "in the assumptions of two but got 'x'"),
        ({"reset": (U, V)}, "exchanges V, u; keep one of them"),
        ({"state": (V, symbols.state_symbol("t"))}, "state variable but got 't', .* for time"),
        ({"parameters": (make_parameter(name="V", symbol=V, domain=sp.true),)}, "got 'V' twice"),
        (
            {"parameters": (make_parameter(domain=make_relation(V, ">", TAU)),)},
            "in the domain of tau of two but got 'V'",
        ),
    ],
)
def test_a_malformed_model_is_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        make_two(**changes)


def test_a_model_without_state_is_refused():
    nothing = dict.fromkeys(("state", "derivatives", "reset", "jump", "rest"), ())
    with pytest.raises(
        ModelError, match="Expected at least one state variable in two but got none"
    ):
        make_two(**nothing)


@pytest.mark.parametrize(("reset", "got"), [((V - 1, U), "V = V - 1"), ((V, U), "none")])
def test_a_reset_after_a_blow_up_cannot_use_the_infinite_variable(reset, got):
    with pytest.raises(ModelError, match=f"which is infinite at the spike, but got {got}"):
        make_two(spike=SpikeCondition(variable=V, value=sp.oo), reset=reset)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"name": "exp"},
            "Expected a free name for the parameter but got 'exp', which is a function",
        ),
        ({"symbol": V}, "Expected the symbol of parameter tau to be called so but got 'V'"),
        ({"default": math.nan}, "Expected a finite number for tau but got tau=nan"),
        ({"default": "1"}, "Expected a finite number for tau but got tau='1'"),
    ],
)
def test_a_malformed_parameter_is_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        make_parameter(**changes)


def test_assumptions_are_kept_conjunct_by_conjunct():
    low, high = make_relation(W, ">", sp.Integer(0)), make_relation(W, "<", sp.Integer(1))
    model = make_two(assumptions=(sp.true, join_relations([low, high])))
    assert set(model.assumptions) == {low, high}
    assert parse_model(model.to_toml()).assumptions == model.assumptions


def test_conjuncts_undo_join_relations():
    low, high = make_relation(W, ">", sp.Integer(0)), make_relation(W, "<", sp.Integer(1))
    assert join_relations([]) is sp.true
    assert conjuncts(sp.true) == ()
    assert conjuncts(join_relations([low])) == (low,)
    assert set(conjuncts(join_relations([low, high]))) == {low, high}


def test_a_relation_that_the_symbol_implies_is_kept():
    assert str(POSITIVE_TAU) == "tau > 0"
    assert str(join_relations([POSITIVE_TAU, make_relation(TAU, "<", I0)])).count(">") == 1


@pytest.mark.parametrize(
    "remake", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_and_pickles_keep_domains_and_texts(remake):
    both = join_relations([POSITIVE_TAU, make_relation(TAU, "<", sp.Integer(9))])
    model = make_two(parameters=(make_parameter(domain=both),), assumptions=(POSITIVE_TAU,))
    again = remake(model)
    assert again == model
    assert again.digest == model.digest
    assert again.source == model.source
    assert remake(model.parameters[0]).domain == both


def test_models_are_equal_and_hash_alike_whatever_their_texts():
    written = {"equations": "dV/dt = (I0 + V*V - V)/tau"}
    model = make_theta(written=written)
    assert model == make_theta()
    assert hash(model) == hash(make_theta())
    assert model.source["equations"] == written["equations"]
    assert make_theta().source["equations"] != written["equations"]


def test_replacing_mathematics_drops_the_texts_that_stood_for_it():
    model = make_theta(written={"equations": "dV/dt = (I0 + V*V - V)/tau"})
    other = dataclasses.replace(model, derivatives=(V**2 + I0,))
    assert other.source["equations"] == "dV/dt = I0 + V**2"


def test_the_digest_depends_on_mathematics_only():
    model = make_theta()
    assert len(model.digest) == 64
    assert (
        model.digest == make_theta(name="other", description="", written={"spike": "V->oo"}).digest
    )
    variants = [
        make_theta(derivatives=(V**2 + I0,)),
        make_theta(reset=(-sp.Integer(5),)),
        make_theta(jump=(V + 2 * W,)),
        make_theta(rest=(sp.Integer(0),)),
        make_theta(spike=SpikeCondition(variable=V, value=sp.Integer(9))),
        make_theta(assumptions=(make_relation(W, ">", sp.Integer(0)),)),
        make_theta(parameters=(make_parameter(default=2.0), model.parameter("I0"))),
        make_theta(parameters=(make_parameter(domain=sp.true), model.parameter("I0"))),
    ]
    assert len({model.digest, *(variant.digest for variant in variants)}) == len(variants) + 1


def test_the_digest_is_the_same_in_every_process():
    both = 'domain = "a > 0 and a < b and b < 9"'
    text = (
        make_theta().to_toml() + f"[parameters.a]\ndefault = 1\n{both}\n[parameters.b]\ndefault = 2"
    )
    code = (
        "import sys; from spiketheory.language.parse import parse_model; "
        "sys.stdout.write(parse_model(sys.stdin.read()).digest)"
    )
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=text,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {parse_model(text).digest}


def test_a_model_built_from_symbols_survives_toml():
    for model in (make_theta(), make_two()):
        again = parse_model(model.to_toml())
        assert again == model
        assert again.digest == model.digest
        assert again.to_toml() == model.to_toml()


def test_toml_has_the_shape_of_a_model_file():
    text = make_two(assumptions=(make_relation(sp.Abs(W), "<=", sp.Integer(5)),)).to_toml()
    assert text == (
        "[model]\n"
        'name = "two"\n'
        'equations = """\n'
        "dV/dt = V**2 - u\n"
        'du/dt = V - u"""\n'
        'spike = "V = 1"\n'
        'reset = "V = 0; u = u + 1"\n'
        'input = "V = V + w"\n'
        "\n"
        "[model.rest]\n"
        'V = "0"\n'
        'u = "0"\n'
        "\n"
        "[assumptions]\n"
        'w = "abs(w) <= 5"\n'
    )


def test_statements_are_printed_in_an_order_that_means_the_same():
    model = make_two(reset=(U, U + 1), jump=(V + W, V + U))
    assert model.source["reset"] == "V = u; u = u + 1"
    assert model.source["input"] == "u = V + u; V = V + w"
    assert parse_model(model.to_toml()) == model


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (sp.Abs(V), "abs(V)"),
        (sp.E * V, "exp(1)*V"),
        (sp.Piecewise((V, V > 0), (2 * V, True)), "(V if V > 0 else 2*V)"),
        (1 + sp.Piecewise((V, (V > 0) & (V < 3)), (0, True)), "(V if V > 0 and V < 3 else 0) + 1"),
        (-sp.oo, "-oo"),
        (sp.Rational(1, 3), "1/3"),
        (sp.sqrt(sp.pi), "sqrt(pi)"),
    ],
)
def test_expressions_are_printed_in_the_language_of_model_files(expression, text):
    assert format_expression(expression) == text
    assert parse_expression(text, {"V": V}, where="test") == expression


@pytest.mark.parametrize(
    ("name", "hint"),
    [("tau_x", " (did you mean 'tau_s'?)"), ("v", " (did you mean 'V'?)"), ("zzz", "")],
)
def test_close_names_are_suggested(name, hint):
    assert suggest(name, ["V", "tau_s"]) == hint
