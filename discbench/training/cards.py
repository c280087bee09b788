"""Whether torch can use the GPU that this process was given."""

import os

import torch

from discbench.errors import UserError
from discbench.values.devices import PRETENDED, VISIBLE


def check_usable(device: str) -> None:
    """See that cells for a GPU will not be trained on the CPU, which nobody would notice but by the time it takes.

    Raises:
        UserError: Torch has no CUDA, or its CUDA cannot use the driver or the GPU.
    """
    if device == "cpu" or PRETENDED in os.environ or torch.cuda.is_available():
        return
    given = f" ({VISIBLE}={os.environ[VISIBLE]})" if VISIBLE in os.environ else ""
    raise UserError(
        f"torch {torch.__version__} cannot use the GPU that is here{given}; install torch for CUDA and see"
        " `nvidia-smi`, or give --devices cpu"
    )
