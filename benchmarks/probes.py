"""The probes against naive reference routes: side by side in one run, interleaved, same values, medians.

Run `python benchmarks/probes.py` (three minutes on two idle cores), or with `--small` as a smoke test.
Each line gives the median seconds of both routes, their ratio (above 1: ours is faster) and how far the values differ.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from transformers import BertConfig, BertForSequenceClassification, BertModel

from discbench.probes import attention, gradients, isometry, pwcca

Route = Callable[[], Any]


def pwcca_by_svd(x: np.ndarray, y: np.ndarray) -> list[float]:
    """PWCCA as it is usually written: an SVD of either side, then one of the product, weights from the variates."""
    x, y = x - x.mean(0), y - y.mean(0)
    ux, uy = (np.linalg.svd(z, full_matrices=False)[0] for z in (x, y))
    a, rho, b = np.linalg.svd(ux.T @ uy)
    weights = [np.abs(variates.T @ z).sum(1) for variates, z in ((ux @ a, x), (uy @ b.T, y))]
    return [float(w @ rho / w.sum()) for w in weights]


def benchmark_pwcca(*, small: bool) -> tuple[Route, Route, float]:
    """Compare on correlated features; the reference computes PWCCA only, ours also mean CCA, SVCCA and CKA."""
    n, width = (600, 24) if small else (15_000, 768)
    random = np.random.default_rng(0)
    x = random.standard_normal((n, width))
    y = x @ random.standard_normal((width, width)) / width**0.5 + random.standard_normal((n, width))

    def ours() -> list[float]:
        found = pwcca.similarity(x, y, null=False)
        return [found["pwcca_x"], found["pwcca_y"]]

    return lambda: pwcca_by_svd(x, y), ours, 1e-9


def benchmark_pwcca_null(*, small: bool) -> tuple[Route, Route, float]:
    """Compare value and shuffled-row null; the reference runs twice, ours reuses both decompositions."""
    reference, _, tolerance = benchmark_pwcca(small=small)
    x, y = (cell.cell_contents for cell in reference.__closure__ or ())
    order = np.random.default_rng(0).permutation(len(x))

    def ours() -> list[float]:
        found = pwcca.similarity(x, y)
        return [part[key] for part in (found, found["null"]) for key in ("pwcca_x", "pwcca_y")]

    return lambda: pwcca_by_svd(x, y) + pwcca_by_svd(x, y[order]), ours, tolerance


def benchmark_attention(*, small: bool, padded: bool = False) -> tuple[Route, Route, float]:
    """Compare one layer of 4 sequences in float32; the reference takes one pair of heads at a time."""
    heads, length = (4, 32) if small else (12, 512)
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1, 4, heads, length, length, generator=generator).softmax(-1)
    real = length // 2 if padded else length
    mask = (torch.arange(length) < real).expand(4, -1)

    def reference() -> float:
        sums = []
        for x, y in zip(a[0].numpy(), b[0].numpy(), strict=True):
            x, y = x[:, :real, :real], y[:, :real, :real]  # noqa: PLW2901
            cost = np.array([[np.abs(p - q).sum() for q in y] for p in x])
            sums.append(cost[linear_sum_assignment(cost)].sum())
        return float(np.mean(sums))

    return reference, lambda: attention.matched_distance(a, b, mask, normalise="sum")["mean"][0], 1e-4 * heads * length


def benchmark_attention_cdist(*, small: bool) -> tuple[Route, Route, float]:
    """Compare against torch.cdist(p=1) on flattened maps."""
    heads, length = (4, 32) if small else (12, 512)
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1, 4, heads, length, length, generator=generator).softmax(-1)

    def reference() -> float:
        costs = [torch.cdist(x.flatten(1), y.flatten(1), p=1).numpy() for x, y in zip(a[0], b[0], strict=True)]
        return float(np.mean([cost[linear_sum_assignment(cost)].sum() for cost in costs]))

    return reference, lambda: attention.matched_distance(a, b, normalise="sum")["mean"][0], 1e-4 * heads * length


def benchmark_jacobian(*, small: bool) -> tuple[Route, Route, float]:
    """Compare one output position against all inputs; the reference loops over autograd.grad, one output at a time."""
    layers, width, length = (2, 24, 8) if small else (6, 384, 64)
    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": 4 * width}
    model = BertModel(BertConfig(vocab_size=1000, num_attention_heads=12, **shape)).eval()
    ids = torch.randint(5, 1000, (1, length))

    def reference() -> torch.Tensor:
        embedded = model.embeddings(ids).detach().requires_grad_()
        output = model.encoder(embedded).last_hidden_state[0, 0]
        rows = [torch.autograd.grad(feature, embedded, retain_graph=True)[0] for feature in output]
        return torch.linalg.svdvals(torch.cat(rows).flatten(1))

    return reference, lambda: isometry.singular_values(model, ids)[0], 1e-4


def benchmark_gradients(*, small: bool, held: int | None = None) -> tuple[Route, Route, float]:
    """Compare 16 examples; the reference keeps every gradient as one long vector."""
    layers, width, length = (2, 24, 8) if small else (6, 384, 64)
    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": 4 * width}
    config = BertConfig(vocab_size=1000 if small else 30_522, num_attention_heads=12, **shape)
    model = BertForSequenceClassification(config).eval()
    ids, labels = torch.randint(5, 1000, (16, length)), torch.arange(16) % 2
    mask = torch.ones_like(ids)
    memory = 64.0 if held is None else (held + 0.5) * sum(p.numel() for p in model.parameters()) * 4 / 2**30

    def reference() -> torch.Tensor:
        rows = []
        for i in range(16):
            model.zero_grad()
            one = slice(i, i + 1)
            model(input_ids=ids[one], attention_mask=mask[one], labels=labels[one]).loss.backward()
            rows.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        model.zero_grad()
        # In float64: on 23 M float32 numbers torch.cosine_similarity itself is wrong by 1e-3.
        vectors = torch.stack(rows).double()
        gram = vectors @ vectors.T
        return gram / torch.outer(gram.diagonal(), gram.diagonal()).sqrt()

    return reference, lambda: gradients.cosines(model, ids, mask, labels, memory_gib=memory), 1e-4


CASES: dict[str, Callable[..., tuple[Route, Route, float]]] = {
    "pwcca, value": benchmark_pwcca,
    "pwcca, value and null": benchmark_pwcca_null,
    "attention, pair by pair": benchmark_attention,
    "attention, half padding": lambda *, small: benchmark_attention(small=small, padded=True),
    "attention, torch.cdist": benchmark_attention_cdist,
    "jacobian row": benchmark_jacobian,
    "gradients, all held": benchmark_gradients,
    "gradients, 6 of 16 held": lambda *, small: benchmark_gradients(small=small, held=6),
}


def race(name: str, routes: tuple[Route, Route, float], repeats: int) -> None:
    """Run both routes in turn, check that they agree, and print the medians."""
    *both, tolerance = routes
    seconds: tuple[list[float], list[float]] = ([], [])
    gap = 0.0
    for _ in range(repeats):
        values = []
        for route, times in zip(both, seconds, strict=True):
            began = time.perf_counter()
            values.append(np.asarray(route(), dtype=np.float64))
            times.append(time.perf_counter() - began)
        gap = max(gap, float(np.abs(values[0] - values[1]).max()))
    assert gap <= tolerance, f"{name}: the routes differ by {gap:.3g}, above {tolerance:.3g}"
    naive, ours = map(statistics.median, seconds)
    print(
        f"{name:26}  reference {naive:8.4f} s  ours {ours:8.4f} s  ratio {naive / ours:5.2f}  gap {gap:.1e}", flush=True
    )


def main() -> None:
    """Run the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny sizes, for a smoke test")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="run cases whose name contains this")
    asked = parser.parse_args()
    print(f"torch {torch.__version__}, numpy {np.__version__}, {torch.get_num_threads()} thread(s)")
    for name, make in CASES.items():
        if asked.only in name:
            race(name, make(small=asked.small), asked.repeats)


if __name__ == "__main__":
    main()
