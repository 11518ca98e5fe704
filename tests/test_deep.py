"""Deep models: their formulas in plain numpy, what must not matter to them, and that a seed says everything."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_rows import PLAIN, SCHEMA, crossed_rows, small_grid, small_rows

from adsim import registry
from adsim.errors import AdsimError
from adsim.predictors.deep.deepfm import DeepFM, pairs
from adsim.predictors.deep.dien import Evolution
from adsim.predictors.deep.din import Attention
from adsim.predictors.deep.esmm import Esmm
from adsim.predictors.deep.gdcn import GDCN
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.sdim import Sampled
from adsim.predictors.deep.tables import Inputs, batch_of
from adsim.predictors.deep.tin import Temporal, bucket
from adsim.predictors.deep.wrap import wrap_module
from adsim.predictors.features import Rows, make_rows
from adsim.predictors.learner import load

PLAIN_MODELS = ["deepfm", "autoint", "gdcn", "finalmlp"]
SEQUENCES = ["pooling", "din", "dien", "tin", "tin:softmax=true", "sdim"]
ORDERLESS = ["pooling", "din", "sdim"]
MODELS = [*PLAIN_MODELS, *SEQUENCES]
Array = NDArray[Any]


def make(specification: str, **parameters: Any) -> DeepLearner:
    name, given = registry.parse(specification)
    learner: DeepLearner = registry.create("predictors", name, {**given, **parameters})
    return learner


def begun(specification: str) -> tuple[DeepLearner, Rows]:
    """A model that has seen a little, so that no weight is at its initial value."""
    rows, labels = small_rows(600)
    return make(specification, batch=100).begin(SCHEMA, seed=3).partial_fit(rows, labels), rows


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def perceptron(weights: dict[str, Array], head: str, x: Array, last: bool = True) -> Array:
    """Linear layers and ReLU, as ``head.0``, ``head.2`` and so on."""
    layers = sorted({int(name[len(head) + 1 :].split(".")[0]) for name in weights if name.startswith(f"{head}.")})
    for layer in layers:
        x = x @ weights[f"{head}.{layer}.weight"].T + weights[f"{head}.{layer}.bias"]
        if layer != layers[-1] or not last:
            x = np.maximum(x, 0)
    return x


def taken_apart(learner: DeepLearner, rows: Rows) -> tuple[dict[str, Array], Array, Array]:
    """Weights by name, linear part (n,) and vectors (n, fields, k), looked up by hand."""
    weights = {name.removeprefix("network."): array for name, array in learner.arrays().items()}
    table, first, linear, vectors = weights["tables.table.weight"], 0, np.zeros(len(rows)), []
    for column, field in enumerate(rows.schema.fields):
        known = [value + 1 if 0 <= value < field.size else 0 for value in rows.ids[:, column]]
        found = table[first + np.array(known)]
        linear += found[:, 0]
        vectors.append(found[:, 1:])
        first += field.size + 1
    linear += rows.numbers @ weights["tables.slopes"][:, 0]
    own = {name.removeprefix("bodies.0."): array for name, array in weights.items()}
    return own, linear, np.stack(vectors, 1)


def test_deepfm_is_linear_part_and_all_pairs_and_a_perceptron() -> None:
    learner, rows = begun("deepfm")
    weights, linear, e = taken_apart(learner, rows)
    products = sum((e[:, f] * e[:, g]).sum(1) for f in range(4) for g in range(f))
    flat = np.hstack([e.reshape(len(rows), -1), rows.numbers])
    deep = perceptron(weights, "score.layers", flat)[:, 0]
    np.testing.assert_allclose(learner.predict_proba(rows), sigmoid(linear + products + deep), rtol=1e-4)


def test_gdcn_gates_each_cross() -> None:
    learner, rows = begun("gdcn")
    weights, linear, e = taken_apart(learner, rows)
    first = x = np.hstack([e.reshape(len(rows), -1), rows.numbers])
    for layer in range(3):
        cross = x @ weights[f"weights.{layer}.weight"].T + weights[f"weights.{layer}.bias"]
        x = first * cross * sigmoid(x @ weights[f"gates.{layer}.weight"].T) + x
    deep = perceptron({name: a for name, a in weights.items() if "deep.0" in name}, "deep.0", first, last=False)
    found = np.hstack([x, deep]) @ weights["out.weight"][0] + weights["out.bias"]
    np.testing.assert_allclose(learner.predict_proba(rows), sigmoid(linear + found), rtol=1e-4)


def test_autoint_attends_as_a_loop_over_heads_and_fields_does() -> None:
    learner, rows = begun("autoint")
    weights, linear, e = taken_apart(learner, rows)
    flat, x = np.hstack([e.reshape(len(rows), -1), rows.numbers]), e
    for layer in range(2):
        query, key, value, residual = np.split(x @ weights[f"attention.{layer}.projections.weight"].T, 4, axis=2)
        mixed = np.zeros_like(value)
        for part in (slice(0, 8), slice(8, 16)):
            for f in range(4):
                score = np.exp((query[:, f : f + 1, part] * key[:, :, part]).sum(2) / 8**0.5)
                alpha = score / score.sum(1, keepdims=True)
                mixed[:, f, part] = (alpha[:, :, None] * value[:, :, part]).sum(1)
        x = np.maximum(mixed + residual, 0)
    logit = linear + x.reshape(len(rows), -1) @ weights["out.weight"][0] + weights["out.bias"]
    logit += perceptron(weights, "score.layers", flat)[:, 0]
    np.testing.assert_allclose(learner.predict_proba(rows), sigmoid(logit), rtol=1e-4)


def test_finalmlp_multiplies_two_gated_streams_head_by_head() -> None:
    learner, rows = begun("finalmlp")
    weights, linear, e = taken_apart(learner, rows)
    flat, streams = np.hstack([e.reshape(len(rows), -1), rows.numbers]), []
    for number, own in enumerate((e[:, :2], e[:, 2:])):
        gate = 2 * sigmoid(perceptron(weights, f"gates.{number}", own.reshape(len(rows), -1)))
        streams.append(perceptron(weights, f"streams.{number}.0", gate * flat, last=False))
    logit = linear + np.hstack(streams) @ weights["out.weight"][0] + weights["out.bias"]
    for head in range(4):
        part = slice(8 * head, 8 * head + 8)
        logit += ((streams[0][:, part] @ weights["product"][head]) * streams[1][:, part]).sum(1)
    np.testing.assert_allclose(learner.predict_proba(rows), sigmoid(logit), rtol=1e-4)


def test_pairs_are_the_sum_over_all_of_them() -> None:
    e = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loop = sum((e[:, f] * e[:, g]).sum(1) for f in range(7) for g in range(f))
    torch.testing.assert_close(pairs(e), loop)


def history_inputs(count: int = 6, length: int = 5, k: int = 4) -> Inputs:
    draws = torch.Generator().manual_seed(1)
    present = torch.arange(length)[None] < torch.arange(count)[:, None]
    history = torch.randn(count, length, k, generator=draws) * present[:, :, None]
    target, age = torch.randn(count, k, generator=draws), 50 * torch.rand(count, length, generator=draws)
    return Inputs(torch.zeros(count, 1, k), torch.zeros(count, 0), history, target, present, age)


def test_din_sums_what_its_perceptron_weighs() -> None:
    x, attention = history_inputs(), Attention(4, 3)
    weights = {name: array.detach().numpy() for name, array in attention.state_dict().items()}
    for row in range(6):
        t, u = x.target[row].numpy(), np.zeros(4)
        for h in x.history[row, :row].numpy():
            u += perceptron(weights, "weight.layers", np.concatenate([t, h, t - h, t * h])) * h
        np.testing.assert_allclose(attention(x)[row].detach(), u, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("softmax", [False, True])
def test_tin_multiplies_places_and_ages_and_target(softmax: bool) -> None:
    x, temporal = history_inputs(), Temporal(4, 5, 3, softmax)
    weights = {name: array.detach().numpy() for name, array in temporal.state_dict().items()}
    for row in range(6):
        t = x.target[row].numpy() + weights["positions.weight"][0]
        products, alphas = [np.zeros(4)], [-np.inf if softmax else 0.0]
        for place in range(row):
            age = min(int(2 * np.log2(1 + float(x.age[row, place]))), 19)
            h = x.history[row, place].numpy() + weights["positions.weight"][1 + place] + weights["ages.weight"][age]
            products.append(h * t)
            seen = np.concatenate([t, h, h * t])
            alphas.append((h * t).sum() / 2 if softmax else perceptron(weights, "weight.layers", seen)[0])
        alpha = np.array(alphas)
        if softmax:
            alpha = np.exp(alpha) / max(np.exp(alpha).sum(), 1e-12)
        np.testing.assert_allclose(temporal(x)[row].detach(), alpha @ np.stack(products), rtol=1e-4, atol=1e-6)


def test_ages_fall_into_two_buckets_a_doubling() -> None:
    assert bucket(torch.tensor([0.0, 0.9, 1.0, 3.0, 1e6, -1.0])).tolist() == [0, 1, 2, 4, 19, 0]


def test_dien_is_a_loop_of_gates() -> None:
    x, evolution = history_inputs(), Evolution(4)
    w = {name: array.detach().numpy() for name, array in evolution.state_dict().items()}
    for row in range(6):
        state, states = np.zeros(4), []
        for h in x.history[row, :row].numpy()[::-1]:
            (r, z, c), (r_, z_, c_) = (
                np.split(w["extract.weight_ih_l0"] @ h, 3),
                np.split(w["extract.weight_hh_l0"] @ state, 3),
            )
            z = sigmoid(z + z_)
            state = (1 - z) * np.tanh(c + sigmoid(r + r_) * c_) + z * state
            states.append(state)
        match = np.exp([s @ w["match.weight"] @ x.target[row].numpy() for s in states])
        u = np.zeros(4)
        for s, alpha in zip(states, match / max(match.sum(), 1e-12), strict=True):
            (z, r, c), (z_, r_, c_) = (
                np.split(w["from_state.weight"] @ s, 3),
                np.split(w["from_interest.weight"] @ u, 3),
            )
            z = alpha * sigmoid(z + z_)
            u = (1 - z) * u + z * np.tanh(c + sigmoid(r + r_) * c_)
        np.testing.assert_allclose(evolution(x)[row].detach(), u, rtol=1e-4, atol=1e-6)


def test_sdim_counts_groups_of_planes_that_agree() -> None:
    x, sampled = history_inputs(), Sampled(4, 3, 2)
    planes = sampled.planes.numpy().reshape(4, 3, 2)
    for row in range(6):
        t, u = x.target[row].numpy(), np.zeros(4)
        for h in x.history[row, :row].numpy():
            u += h / 3 * sum((((h @ planes[:, g]) > 0) == ((t @ planes[:, g]) > 0)).all() for g in range(3))
        np.testing.assert_allclose(sampled(x)[row], u, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_all_weights_get_gradients(model: str) -> None:
    learner, rows = begun(model)
    network = learner._trainer.network
    network.zero_grad()
    network(batch_of(rows)).square().sum().backward()
    idle = {name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.abs().sum()}
    assert idle == (set() if model in SEQUENCES else {"tables.memory.weight"})


@pytest.mark.parametrize("model", SEQUENCES)
def test_padding_is_as_if_it_were_not_there(model: str) -> None:
    learner, rows = begun(model)
    short = rows.history.copy()
    short[:, 2:] = -1
    other = Rows(SCHEMA, rows.ids, short, np.where(short < 0, 77, rows.age).astype(np.float32), rows.numbers)
    same = Rows(SCHEMA, rows.ids, short, np.where(short < 0, 0, rows.age).astype(np.float32), rows.numbers)
    np.testing.assert_array_equal(learner.predict_proba(other), learner.predict_proba(same))
    assert not np.allclose(learner.predict_proba(other), learner.predict_proba(rows), rtol=1e-6)


@pytest.mark.parametrize("model", SEQUENCES)
def test_order_matters_where_it_should(model: str) -> None:
    learner, rows = begun(model)
    full = Rows(SCHEMA, rows.ids, np.abs(rows.history) % 5, rows.age, rows.numbers)
    turned = Rows(SCHEMA, rows.ids, np.ascontiguousarray(full.history[:, ::-1]), rows.age, rows.numbers)
    same = np.allclose(learner.predict_proba(full), learner.predict_proba(turned), rtol=1e-5)
    assert same == (model in ORDERLESS)


@pytest.mark.parametrize("model", [*MODELS, "esmm"])
def test_a_seed_says_everything_and_threads_nothing(model: str) -> None:
    rows, labels = small_rows(700)
    weights = np.ones(700)
    found = []
    for threads, seed in ((1, 5), (2, 5), (1, 6)):
        torch.set_num_threads(threads)
        torch.manual_seed(threads)
        learner = make(model, epochs=2, batch=128).fit(rows, labels, weights, seed=seed)
        assert torch.get_num_threads() == threads
        assert torch.initial_seed() == threads
        found.append(learner.partial_fit(rows, labels, weights).predict_proba(rows))
    torch.set_num_threads(1)
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("model", [*MODELS, "esmm"])
def test_a_saved_model_predicts_and_learns_on_as_if_it_had_not_been(model: str, tmp_path: Path) -> None:
    rows, labels = small_rows(300)
    clicks = np.ones(300)
    learner = make(model, epochs=1, batch=64).fit(rows, labels, clicks)
    learner.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(rows), learner.predict_proba(rows))
    for each in (again, learner):
        each.partial_fit(rows, labels, clicks)
    np.testing.assert_array_equal(again.predict_proba(rows), learner.predict_proba(rows))


def test_threads_of_one_process_do_not_disturb_each_other() -> None:
    rows, labels = small_rows(400)

    def fitted(seed: int) -> Array:
        return make("deepfm", epochs=2, batch=64).fit(rows, labels, seed=seed).predict_proba(rows)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fitted, range(4)))
    for seed in range(4):
        np.testing.assert_array_equal(together[seed], fitted(seed))


def test_a_file_of_other_widths_is_refused() -> None:
    learner, _ = begun("deepfm")
    with pytest.raises(ValueError, match="size mismatch"):
        make("deepfm", k=5).begin(SCHEMA).restore(learner.arrays())


def test_a_grid_is_as_its_rows() -> None:
    learner, _ = begun("din")
    contexts, ads = small_grid(7, 5)
    out = np.zeros((5, 9), np.float32)
    learner.predict_grid(contexts, ads, out)
    rows = make_rows(
        SCHEMA,
        np.hstack([contexts.ids[3:4], ads.ids[4:]]),
        contexts.history[3:4],
        contexts.age[3:4],
        np.hstack([contexts.numbers[3:4], ads.numbers[4:]]),
    )
    assert out[4, 3] == pytest.approx(float(learner.predict_proba(rows)[0]), rel=1e-5)
    assert not out[:, 7:].any()


def test_what_is_in_pairs_is_found_and_rows_held_out_stop_it() -> None:
    rows, labels, rates = crossed_rows(30_000, 1, scale=2.5)
    learner = DeepFM(epochs=20).fit(rows.take(slice(20_000)), labels[:20_000], valid=(rows, labels))
    predicted = learner.predict_proba(rows.take(slice(20_000, None)))
    assert np.corrcoef(predicted, rates[20_000:])[0, 1] > 0.8
    assert predicted.mean() == pytest.approx(labels[20_000:].mean(), rel=0.1)


def test_weights_count_as_often_as_rows_do() -> None:
    rows, labels = small_rows(200)
    doubled = (
        DeepFM(batch=400).begin(SCHEMA).partial_fit(rows.take(np.repeat(np.arange(200), 2)), np.repeat(labels, 2))
    )
    weighted = DeepFM(batch=400).begin(SCHEMA).partial_fit(rows, labels, np.full(200, 2.0))
    np.testing.assert_allclose(doubled.predict_proba(rows), weighted.predict_proba(rows), rtol=1e-4)


def test_mistakes_are_named() -> None:
    rows, labels = small_rows(50)
    plain = make_rows(PLAIN, np.zeros((5, 4)))
    with pytest.raises(AdsimError, match="reads a user's history"):
        make("din").begin(PLAIN)
    with pytest.raises(AdsimError, match="other features"):
        DeepFM(epochs=1).fit(rows, labels).predict_proba(plain)
    with pytest.raises(AdsimError, match="k = 0: must be 1 at least"):
        DeepFM(k=0)
    with pytest.raises(AdsimError, match="heads = 5"):
        make("finalmlp:heads=5")
    with pytest.raises(AdsimError, match="multiple of the 3 heads"):
        make("autoint:heads=3")
    with pytest.raises(AdsimError, match="unknown method 'click'"):
        make("esmm:method=click")
    with pytest.raises(AdsimError, match="clicks, 0 or 1, as weights"):
        Esmm().fit(rows, labels)
    with pytest.raises(AdsimError, match="learned nothing yet"):
        GDCN().predict_proba(rows)


def test_all_negatives_and_no_rows_are_nothing_special() -> None:
    rows, labels = small_rows(300)
    learner = DeepFM(epochs=3).fit(rows, 0 * labels)
    assert (learner.predict_proba(rows) < 0.5).all()
    assert learner.predict_proba(rows.take(slice(0))).shape == (0,)
    learner.partial_fit(rows.take(slice(0)), [])


def esmm_loss(learner: Esmm, rows: Rows, bought: Array, clicks: Array) -> float:
    """The loss in float64, from predicted rates."""
    p, q = (rate.astype(np.float64) for rate in learner.predict_rates(rows))

    def bce(y: Array, rate: Array) -> Array:
        return np.asarray(-(y * np.log(rate) + (1 - y) * np.log1p(-rate)))

    losses = {
        "entire": bce(bought, p * q),
        "clicks": clicks * bce(bought, q),
        "propensity": clicks / np.maximum(p, 0.01) * bce(bought, q),
        "negatives": bce(bought, q),
    }
    return float((bce(clicks, p) + losses[learner.method]).sum())


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("method", ["entire", "clicks", "propensity", "negatives"])
def test_esmm_is_a_product_over_all_impressions(method: str, shared: bool) -> None:
    rows, clicks = small_rows(500)
    bought = clicks * (np.random.default_rng(0).random(500) < 0.3)
    learner = Esmm(method=method, shared=shared, epochs=1).fit(rows, bought, clicks)
    with torch.no_grad():
        loss = float(learner._loss(rows, bought.astype(np.float32), clicks))
    assert loss == pytest.approx(esmm_loss(learner, rows, bought, clicks), rel=1e-4)


def test_the_product_alone_teaches_conversions_where_nothing_was_clicked() -> None:
    rows, _ = small_rows(200)
    nothing = np.zeros(200, np.float32)
    idle, taught = (Esmm(method=method).begin(SCHEMA) for method in ("clicks", "entire"))
    for learner in (idle, taught):
        learner._trainer.network.zero_grad()
        learner._loss(rows, nothing, nothing).backward()  # type: ignore[no-untyped-call]
    name = "bodies.1.score.layers.0.weight"
    gradients = [dict(learner._trainer.network.named_parameters())[name].grad for learner in (idle, taught)]
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert not gradients[0].any()
    assert gradients[1].any()


class Own(torch.nn.Module):
    """A module as other libraries have them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.ad, self.seen = torch.nn.Embedding(41, 3), torch.nn.Embedding(6, 3, padding_idx=0)
        self.out = torch.nn.Sequential(torch.nn.Linear(9, 1), torch.nn.Dropout(0.1), torch.nn.Sigmoid())

    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        parts = [self.ad(x["ad"]), self.seen(x["history"]).sum(1), x["numbers"]]
        found: torch.Tensor = self.out(torch.cat(parts, 1))
        return found


def test_a_module_of_ones_own_learns() -> None:
    rows, labels = small_rows(4000)
    module = Own()
    before = module.ad.weight.clone()
    first, second = (wrap_module(module, output="probability", batch=64).fit(rows, labels) for _ in range(2))
    assert torch.equal(module.ad.weight, before)
    predicted = first.predict_proba(rows)
    np.testing.assert_array_equal(predicted, second.predict_proba(rows))
    assert predicted[labels > 0].mean() > predicted[labels == 0].mean() + 0.015
    with pytest.raises(AdsimError, match="must give one number a row"):
        wrap_module(Wide()).begin(SCHEMA).predict_proba(rows)
    with pytest.raises(AdsimError, match="not registered"):
        first.save("nowhere")
    with pytest.raises(AdsimError, match="unknown output"):
        wrap_module(module, output="prob")


class Wide(torch.nn.Module):
    """Gives too much."""

    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.zeros(len(x["ad"]), 2)


def test_without_torch_the_extra_is_named() -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom adsim import registry\n"
        "try:\n    registry.create('predictors', 'deepfm', {})\nexcept ValueError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'adsim[deep]'" in said
