"""The product of activations and weights, by the fastest exact kernel of the device at hand.

On processors that are not Intel's, MKL stops at AVX2: a float32 product of the sizes here takes twice the time of
oneDNN's, which generates code for the processor it finds (measured: AMD Zen 5, torch 2.13, widths 64 to 384). Both
ship with torch and compute the same sum in float32; only the order of additions differs, as it does between processors.
"""

import functools
import platform
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MIN_WEIGHTS = 4096  # below it a call costs more than the product (measured at 1,024 tokens, width 32 against 64)


@functools.cache
def matmul_library() -> str:
    """Return ``onednn`` or ``default``: who multiplies float32 matrices on this processor."""
    known = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    slow_default = torch.backends.mkl.is_available() and _vendor() not in ("GenuineIntel", "unknown")
    return "onednn" if known and slow_default else "default"


def _vendor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "unknown")


def product(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight.T`` by oneDNN: ``(*, K)`` and ``(N, K)``, float32 on the CPU, to ``(*, N)``."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return y


class _OneDnnLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        needs_x, needs_weight = ctx.needs_input_grad  # type: ignore[attr-defined]
        grad_x = product(grad, weight.t()) if needs_x else None
        grad_weight = product(x.flatten(0, -2).t(), grad.flatten(0, -2).t()).t() if needs_weight else None
        return grad_x, grad_weight


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias``: ``(*, K)`` and ``(N, K)`` to ``(*, N)``."""
    if not takes_onednn(x, weight):
        return F.linear(x, weight, bias)
    y: Tensor = _OneDnnLinear.apply(x, weight)  # type: ignore[no-untyped-call]
    return y if bias is None else y + bias


def takes_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN multiplies these two."""
    return (
        not torch.compiler.is_compiling()  # inductor cannot trace it, and fuses around the default
        and x.dtype is weight.dtype is torch.float32
        and x.device.type == "cpu"
        and weight.numel() >= _MIN_WEIGHTS
        and x.numel() > 0  # oneDNN makes no product of nothing
        and not torch.is_autocast_enabled("cpu")
        and matmul_library() == "onednn"
    )


class Linear(nn.Linear):
    """``nn.Linear`` that multiplies with ``linear``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias``."""
        return linear(input, self.weight, self.bias)
