"""Adam and AdamW of weights on a CPU: torch's fused kernel, without what `torch.optim` does around it in each step."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

PARTS = ("exp_avg", "exp_avg_sq", "step")
"""What torch calls the running means of a gradient and of its square, and the number of steps."""


class FusedAdam:
    """`torch.optim.Adam(fused=True)` and `AdamW`, to the bit: a weight without a gradient stays as it is.

    At 2 x 128 an optimiser's bookkeeping costs more than its arithmetic. `param_groups` holds one group, as torch's.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        *,
        decoupled: bool,
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(weights), "lr": lr}]
        self._given = {
            "beta1": betas[0],
            "beta2": betas[1],
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": False,
            "maximize": False,
        }
        self._kernel: Any = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._state: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Move all weights that have a gradient."""
        group = self.param_groups[0]
        weights = [p for p in group["params"] if p.grad is not None]
        if not weights:
            return
        for p in weights:
            if p not in self._state:
                self._state[p] = (torch.zeros_like(p), torch.zeros_like(p), torch.zeros(()))
        means, squares, steps = (list(x) for x in zip(*(self._state[p] for p in weights), strict=True))
        torch._foreach_add_(steps, 1)
        self._kernel(weights, [p.grad for p in weights], means, squares, [], steps, lr=group["lr"], **self._given)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the form of torch's optimisers, which may take it up as this one may take up theirs."""
        numbered = enumerate(self.param_groups[0]["params"])
        state = {n: dict(zip(PARTS, self._state[p], strict=True)) for n, p in numbered if p in self._state}
        group = {**self.param_groups[0], "params": list(range(len(self.param_groups[0]["params"])))}
        return {"state": state, "param_groups": [group]}

    @torch.no_grad()
    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take up a saved state of as many weights; the learning rate is the loop's to set."""
        self._state = {}
        for number, parts in saved["state"].items():
            p = self.param_groups[0]["params"][number]
            means, squares, steps = (parts[name] for name in PARTS)
            found = torch.zeros_like(p), torch.zeros_like(p), torch.zeros(())
            for into, given in zip(found, (means, squares, steps), strict=True):
                into.copy_(given)
            self._state[p] = found

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        del set_to_none
        for p in self.param_groups[0]["params"]:
            p.grad = None


@torch.no_grad()
def clip(weights: Sequence[Tensor], norm: float) -> None:
    """Bound the norm of all gradients, as `torch.nn.utils.clip_grad_norm_`, for weights on one device."""
    gradients = [p.grad for p in weights if p.grad is not None]
    if not gradients:
        return
    total = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # noqa: SLF001
    factor = norm / (total + 1e-6)
    if not bool(factor >= 1.0):  # one that is no number spoils all gradients, as there
        torch._foreach_mul_(gradients, factor)
