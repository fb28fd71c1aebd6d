"""The operations and modules of a block, as Hugging Face, PEFT and bitsandbytes write them, on the tape.

Every method mirrors the Python code of a module or an operation of torch with its derivative: which inputs it saves,
what its backward makes. Source: transformers 5.23, peft 0.21, bitsandbytes 0.50, torch 2.15 (derivatives.yaml).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from planner.catalog.architecture import Architecture, Matrix
from planner.estimator.setting import Setting
from planner.estimator.tape import (
    ACTIVATION,
    BYTE,
    CAST,
    GRADIENT,
    PASS,
    WORK,
    Fresh,
    Node,
    Storage,
    Tape,
    Tensor,
    wider,
)

COMPOSED_GELU_FAMILIES = ("gpt2", "phi")
"""Families whose GELU is written out in Python. Source: transformers' NewGELUActivation."""
SCALED_NORM_FAMILIES = ("gemma", "gemma2", "gemma3")
"""Families whose RMSNorm multiplies by its weight in fp32. Source: transformers' GemmaRMSNorm."""


def block_matrices(architecture: Architecture) -> tuple[Matrix, ...]:
    """The linear layers of a block as the software keeps them, routed experts' included."""
    kept = architecture.adapted_matrices("all-linear")
    experts = tuple(each for each in architecture.matrices() if each.kind == "expert")
    return (*kept, *experts)


class Modules:
    """Modules of one block in one setting, run on one tape."""

    def __init__(self, tape: Tape, setting: Setting) -> None:
        self.tape, self.setting = tape, setting
        self.adapted = {matrix.module for matrix in setting.adapted}
        self.matrices = {each.module: each for each in reversed(block_matrices(setting.architecture))}

    def parameter(self, elements: float, dtype: str, trained: bool) -> Tensor:
        """A weight: its own storage is counted elsewhere."""
        node = Node((), [], ()) if trained else None
        return Tensor(Storage(self.tape, ACTIVATION, (0.0, 0.0, 0.0)), elements, dtype, node, True)

    def cast(self, x: Tensor, dtype: str, kind: int | None = None) -> Tensor:
        """x in another precision, itself if it has that one."""
        if x.dtype == dtype:
            return x
        own = Fresh(x.elements, x.dtype, x.fixed)
        return self.tape.apply((x,), (x.elements, dtype), (own,), kind=kind)

    def copy(self, x: Tensor) -> Tensor:
        """A clone of x."""
        return self.tape.apply((x,), (x.elements, x.dtype), (PASS,))

    def scale(self, x: Tensor, elements: float | None = None) -> Tensor:
        """x times (or plus) a number: nothing is saved."""
        made = (x.elements if elements is None else elements, x.dtype)
        return self.tape.apply((x,), made, (Fresh(x.elements, x.dtype, x.fixed),))

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """x + y in the wider precision; the gradient passes through, or is cast."""
        result = wider(x.dtype, y.dtype)
        rules = [PASS if each.dtype == result else Fresh(each.elements, each.dtype, each.fixed) for each in (x, y)]
        return self.tape.apply((x, y), (x.elements, result), rules)

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        """x * y in the wider precision; each is saved for the other's gradient, which is made in the wider one."""
        result = wider(x.dtype, y.dtype)
        saved = [one for one, other in ((x, y), (y, x)) if other.trained]
        rules = [Fresh(each.elements, each.dtype, each.fixed) for each in (x, y)]
        whole = max(x.elements, y.elements)
        narrow = [each for each in (x, y) if each.trained and (each.elements, each.dtype) != (whole, result)]
        scratch = tuple(Fresh(whole, result, x.fixed and y.fixed) for _ in narrow)
        return self.tape.apply((x, y), (whole, result), rules, saved, scratch)

    def power(self, x: Tensor) -> Tensor:
        """A power of x; its derivative makes another power and its multiple."""
        x = self.cast(x, "fp32") if self.setting.autocast else x
        own = Fresh(x.elements, x.dtype)
        return self.tape.apply((x,), (x.elements, x.dtype), (own,), (x,), (own, own))

    def dropout(self, x: Tensor) -> Tensor:
        """A dropped-out copy and a mask of one byte per element."""
        mask = self.tape.apply((), (x.elements, BYTE), ())
        return self.tape.apply((x,), (x.elements, x.dtype), (Fresh(x.elements, x.dtype),), (mask,))

    def norm(self, x: Tensor) -> Tensor:
        """A norm over the last dimension of x."""
        if self.setting.fused:
            return self.tape.apply((x,), (x.elements, x.dtype), (Fresh(x.elements, x.dtype),), (x,))
        if self.setting.architecture.norm == "rmsnorm":
            return self._rms_norm(x)
        x = self.cast(x, "fp32") if self.setting.autocast else x
        own = Fresh(x.elements, x.dtype)
        return self.tape.apply((x,), (x.elements, x.dtype), (own,), (x,))

    def _rms_norm(self, x: Tensor) -> Tensor:
        """x * rsqrt(mean(x^2)) in fp32, cast back, times a weight."""
        setting, width = self.setting, x.elements
        weight = self.parameter(width, setting.weight_dtype, setting.full)
        fp32 = self.cast(x, "fp32")
        whole = Fresh(width, "fp32")
        variance = self.tape.apply((self.power(fp32),), (1.0, "fp32"), (whole,))
        fp32 = self.multiply(fp32, self.scale(variance))
        if setting.architecture.family in SCALED_NORM_FAMILIES:
            return self.cast(self._weighted(fp32, weight, "fp32"), x.dtype)
        return self._weighted(self.cast(fp32, x.dtype), weight, wider(x.dtype, weight.dtype))

    def _weighted(self, x: Tensor, weight: Tensor, dtype: str) -> Tensor:
        """x times a weight per element of its width; x is saved for the weight's gradient."""
        scratch = (Fresh(x.elements, dtype),) if weight.trained else ()
        saved = (x,) if weight.trained else ()
        rules = (Fresh(x.elements, x.dtype), None)
        return self.tape.apply((x, weight), (x.elements, dtype), rules, saved, scratch)

    def activation(self, x: Tensor) -> Tensor:
        """The MLP's non-linearity."""
        if self.setting.code == "transformers" and self.setting.architecture.family in COMPOSED_GELU_FAMILIES:
            return self._composed_gelu(x)
        own = Fresh(x.elements, x.dtype)
        return self.tape.apply((x,), (x.elements, x.dtype), (own,), (x,))

    def opened(self, gate: Tensor) -> Tensor:
        """The gate's half of a gated MLP: its non-linearity comes before the other half, unless a kernel fuses both."""
        return gate if self.setting.fused else self.activation(gate)

    def gated(self, gate: Tensor, up: Tensor) -> Tensor:
        """The opened gate times the other half."""
        if not self.setting.fused:
            return self.multiply(gate, up)
        rules = (Fresh(gate.elements, gate.dtype), Fresh(up.elements, up.dtype))
        return self.tape.apply((gate, up), (up.elements, up.dtype), rules, (gate, up))

    def _composed_gelu(self, x: Tensor) -> Tensor:
        """0.5 * x * (1 + tanh(c * (x + d * x^3)))."""
        half = self.scale(x)
        inner = self.scale(self.add(x, self.scale(self.power(x))))
        own = Fresh(inner.elements, inner.dtype)
        bent = self.tape.apply((inner,), (inner.elements, inner.dtype), (own,), keeps_output=True)
        del inner
        return self.multiply(half, self.tape.apply((bent,), (bent.elements, bent.dtype), (PASS,)))

    def matmul(self, x: Tensor, weights: float, outputs: float, dtype: str, trained: bool) -> Tensor:
        """x times a matrix of so many weights; autocast casts both to 16 bit."""
        setting = self.setting
        weight = self.parameter(weights, dtype, trained)
        rule = Fresh(weights, dtype, True, GRADIENT)
        if setting.autocast:
            x = self.cast(x, setting.low)
            if dtype != setting.low:
                weight = self.tape.apply((weight,), (weights, setting.low), (rule,), kind=CAST)
                rule = Fresh(weights, setting.low, True)
                self.tape.cache.extend([weight] * trained)
        saved = [one for one, other in ((x, weight), (weight, x)) if other.trained]
        rules = (Fresh(x.elements, x.dtype, x.fixed), rule)
        return self.tape.apply((x, weight), (outputs, x.dtype), rules, saved)

    def quantised(self, x: Tensor, weights: float, outputs: float) -> Tensor:
        """bitsandbytes' 4-bit layer: the weight is dequantised for the product and again for the gradient.

        Old versions keep the input in an attribute of the graph's node, where it stays as long as the graph does.
        """
        dtype = self.setting.low
        low = self.cast(x, dtype)
        copies = weights * self.setting.dequantised_copies
        work = Fresh(copies, dtype, True, WORK)
        packed = self.parameter(0.0, dtype, False)
        out = self.tape.apply((low,), (outputs, dtype), (Fresh(x.elements, dtype),), (packed,), (work,))
        self.tape.storage(copies, dtype, WORK, fixed=True)
        if self.setting.keeps_inputs and self.tape.making == ACTIVATION and out.trained:
            self.tape.held.append(low.storage)
        return self.cast(out, x.dtype)

    def base(self, x: Tensor, matrix: Matrix, outputs: float) -> Tensor:
        """A linear layer of the model itself; the head is not quantised."""
        weights = float(matrix.inputs * matrix.outputs)
        if self.quantises(matrix):
            return self.quantised(x, weights, outputs)
        weights = weights * self.copies(matrix)
        return self.matmul(x, weights, outputs, self.setting.weight_dtype, self.setting.full)

    def copies(self, matrix: Matrix) -> float:
        """How many such matrices one block has on average: its experts' are cast and differentiated all."""
        if matrix.kind == "head":
            return 1.0
        layers = self.setting.architecture.layers
        same = [each for each in block_matrices(self.setting.architecture) if each.module == matrix.module]
        return sum(each.weights for each in dict.fromkeys(same)) / (layers * matrix.inputs * matrix.outputs)

    def quantises(self, matrix: Matrix) -> bool:
        """Whether the layer is a quantised one."""
        return self.setting.quantised and matrix.kind != "head"

    def linear(self, x: Tensor, matrix: Matrix, outputs: float | None = None) -> Tensor:
        """A linear layer with its adapter, if it has one; `outputs` elements per token if not the matrix's own."""
        outputs = float(matrix.outputs) if outputs is None else outputs
        if matrix.module not in self.adapted:
            return self.base(x, matrix, outputs)
        if self.quantises(matrix) and self.setting.code == "transformers":
            return self._adapted_quantised(x, matrix, outputs)
        result = self.base(x, matrix, outputs)
        wide = self.cast(x, self.setting.adapter_dtype)
        if self.setting.dora:
            summed = self.add(result, self._dora(wide, result, matrix, outputs))
        else:
            summed = self.add(result, self.scale(self._adapter(self._dropped(wide), matrix, outputs)))
        return self.cast(summed, result.dtype)

    def joint(self, x: Tensor, matrices: Sequence[Matrix]) -> Tensor:
        """LitGPT's fused projection: one base product; one adapter for the parts that have one, padded with zeros.

        Padding copies the adapter's output into zeros (index_copy), whose derivative saves it.
        """
        rank, dtype = float(self.setting.rank), self.setting.adapter_dtype
        outputs = float(sum(each.outputs for each in matrices))
        result = self.base(x, replace(matrices[0], outputs=int(outputs)), outputs)
        adapted = [each for each in matrices if each.module in self.adapted]
        if not adapted:
            return result
        inner, width = rank * len(adapted), float(sum(each.outputs for each in adapted))
        low = self.matmul(self._dropped(x), inner * x.elements, inner, dtype, True)
        wide = self.matmul(low, rank * width, width, dtype, True)
        del low
        if len(adapted) < len(matrices):
            wide = self.tape.apply((wide,), (outputs, wide.dtype), (Fresh(width, wide.dtype),), (wide,))
        return self.add(result, self.scale(wide))

    def _adapted_quantised(self, x: Tensor, matrix: Matrix, outputs: float) -> Tensor:
        """PEFT's 4-bit layer: it clones the result, and casts only where nothing autocasts."""
        setting = self.setting
        result = self.base(x, matrix, outputs)
        result = self.copy(result)
        wide = x if setting.autocast else self.cast(x, setting.adapter_dtype)
        if setting.dora:
            summed = self.add(result, self._dora(wide, result, matrix, outputs))
            return summed if setting.autocast else self.cast(summed, result.dtype)
        output = self.scale(self._adapter(self._dropped(wide), matrix, outputs))
        if not setting.autocast:
            output = self.cast(output, result.dtype)
        return self.add(result, output)

    def _dropped(self, x: Tensor) -> Tensor:
        """The adapter's input after its dropout."""
        return self.dropout(x) if self.setting.dropout else x

    def _adapter(self, x: Tensor, matrix: Matrix, outputs: float) -> Tensor:
        """The product of the two matrices of an adapter with x."""
        rank, dtype = float(self.setting.rank), self.setting.adapter_dtype
        copies = self.copies(matrix)
        inner = self.matmul(x, rank * matrix.inputs * copies, rank * x.elements / matrix.inputs, dtype, True)
        return self.matmul(inner, rank * matrix.outputs * copies, outputs, dtype, True)

    def _dora(self, x: Tensor, result: Tensor, matrix: Matrix, outputs: float) -> Tensor:
        """PEFT's DoRA: the norm of the whole adapted weight, then the scaled sum of base and adapter."""
        dropped = self._dropped(x)
        magnitude = self.parameter(matrix.outputs, self.setting.adapter_dtype, True)
        start = len(self.tape.nodes)
        whole, weight = self._whole_weight(dropped, matrix)
        unused = self.tape.nodes[start:]
        del self.tape.nodes[start:]
        added = self._adapter(dropped, matrix, outputs)
        base = self.base(dropped, matrix, outputs) if self.setting.dropout else result
        out = self.add(self._scaled(base, magnitude), self.scale(self._scaled(added, magnitude)))
        del unused, whole, weight
        return out

    def _whole_weight(self, x: Tensor, matrix: Matrix) -> tuple[Tensor, Tensor]:
        """The adapter as one matrix and the base weight, both in x's precision, while their sum's norm is taken."""
        adapter, stored = self.setting.adapter_dtype, self.setting.weight_dtype
        weights = float(matrix.inputs * matrix.outputs)
        eye = Tensor(self.tape.storage(matrix.inputs**2, adapter, fixed=True), matrix.inputs**2, adapter, None, True)
        product = self._adapter(eye, matrix, weights)
        del eye
        product = self.cast(product, x.dtype)
        if self.quantises(matrix):
            low = self.tape.storage(weights, self.setting.low, WORK, fixed=True)
            weight = self.cast(Tensor(low, weights, self.setting.low, None, True), x.dtype)
            del low
        else:
            weight = self.cast(self.parameter(weights, stored, False), x.dtype, CAST)
        with self.tape.without_gradients():
            norm = self.add(weight, self.scale(product))
            if self.setting.autocast:
                self.cast(norm, "fp32")
        return product, weight

    def _scaled(self, x: Tensor, magnitude: Tensor) -> Tensor:
        """x times a trained number per output, in the wider precision; x is saved for its gradient."""
        result = wider(x.dtype, magnitude.dtype)
        rules = (Fresh(x.elements, x.dtype), None)
        return self.tape.apply((x, magnitude), (x.elements, result), rules, (x,), (Fresh(x.elements, result),) * 2)
