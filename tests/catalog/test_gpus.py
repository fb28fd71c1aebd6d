"""The GPU catalog: its size, its figures and the names under which people look for it."""

from datetime import date
from statistics import median

import pytest
from pydantic import ValidationError

from planner.catalog import load_catalog
from planner.catalog.gpu import RESERVED_FRACTIONS, Gpu
from planner.estimator.buffers import CONTEXT_MIB, DEFAULT_CONTEXT_MIB

CATALOG = load_catalog()

SPELLINGS = {
    "H100": "H100 SXM",
    "h100": "H100 SXM",
    "H100-SXM5": "H100 SXM",
    "H100-80GB": "H100 SXM",
    "H100_SXM": "H100 SXM",
    "NVIDIA H100 80GB HBM3": "H100 SXM",
    "H100-PCIe": "H100 PCIe",
    "NVIDIA H100 PCIe": "H100 PCIe",
    "H100 NVL": "H100 NVL",
    "H800": "H800 SXM",
    "H200": "H200",
    "H200-SXM": "H200",
    "B200": "B200",
    "A100": "A100 80GB SXM",
    "A100-80GB": "A100 80GB SXM",
    "NVIDIA A100-SXM4-80GB": "A100 80GB SXM",
    "A100-40GB": "A100 40GB SXM",
    "NVIDIA A100-SXM4-40GB": "A100 40GB SXM",
    "NVIDIA A100 80GB PCIe": "A100 80GB PCIe",
    "NVIDIA A100-PCIE-40GB": "A100 40GB PCIe",
    "4090": "RTX 4090",
    "rtx4090": "RTX 4090",
    "RTX-4090": "RTX 4090",
    "GeForce RTX 4090": "RTX 4090",
    "NVIDIA GeForce RTX 4090": "RTX 4090",
    "NVIDIA GeForce RTX 4090 D": "RTX 4090D",
    "5090": "RTX 5090",
    "3090": "RTX 3090",
    "A6000": "RTX A6000",
    "RTXA6000": "RTX A6000",
    "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada",
    "RTX6000-Ada": "RTX 6000 Ada",
    "RTXPRO6000": "RTX PRO 6000 Blackwell",
    "NVIDIA L40S": "L40S",
    "Tesla T4": "T4",
    "V100": "V100 16GB SXM",
    "Tesla V100-SXM2-32GB": "V100 32GB SXM",
    "Tesla V100-PCIE-16GB": "V100 PCIe",
    "AMD Instinct MI300X": "MI300X",
    "910B": "Ascend 910B",
}

# name: (driver MiB, bandwidth, bf16, fp16, fp8, NVLink, link, peer to peer)
FIGURES = {
    "RTX 3090": (24576, 936, 71.2, 71.2, None, 112.5, "bridge", False),
    "RTX 4090": (24564, 1008, 165.2, 165.2, 330.3, None, "none", False),
    "RTX A6000": (49140, 768, 154.8, 154.8, None, 112.5, "bridge", True),
    "L40S": (46068, 864, 362, 362, 733, None, "none", True),
    "V100 16GB SXM": (16384, 900, None, 125, None, 300, "switch", True),
    "A100 40GB SXM": (40960, 1555, 312, 312, None, 600, "switch", True),
    "A100 80GB SXM": (81920, 2039, 312, 312, None, 600, "switch", True),
    "A100 80GB PCIe": (81920, 1935, 312, 312, None, 600, "bridge", True),
    "H100 PCIe": (81559, 2039, 756, 756, 1513, 600, "bridge", True),
    "H100 SXM": (81559, 3350, 989.5, 989.5, 1979, 900, "switch", True),
    "H800 SXM": (81559, 3350, 989.5, 989.5, 1979, 400, "switch", True),
    "H200": (143771, 4800, 989.5, 989.5, 1979, 900, "switch", True),
    "B200": (183359, 8000, 2250, 2250, 4500, 1800, "switch", True),
    "GB200": (186 * 1024, 8000, 2500, 2500, 5000, 1800, "switch", True),
    "MI250X": (128 * 1024, 3277, 383, 383, None, 700, "switch", True),
    "MI300X": (192 * 1024, 5300, 1307.4, 1307.4, 2614.9, 896, "switch", True),
}


def test_the_catalog_is_complete_and_sourced() -> None:
    """At least 37 GPU types, each with a source, the day of reading and a quality."""
    assert len(CATALOG.gpus) >= 37
    assert all(gpu.source and gpu.quality and gpu.retrieved >= date(2026, 11, 22) for gpu in CATALOG.gpus)


@pytest.mark.parametrize(("typed", "name"), SPELLINGS.items())
def test_common_spellings(typed: str, name: str) -> None:
    """The spellings of clouds, nvidia-smi and people lead to the GPU that is meant."""
    assert CATALOG.gpu(typed).name == name


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name: str) -> None:
    """Memory, bandwidth, dense peaks and links are the published ones."""
    gpu = CATALOG.gpu(name)
    found = (
        gpu.memory_mib,
        gpu.memory_bandwidth_gbs,
        gpu.bf16_tflops,
        gpu.fp16_tflops,
        gpu.fp8_tflops,
        gpu.nvlink_gbs,
        gpu.link,
        gpu.peer_to_peer,
    )
    assert found == FIGURES[name]


def test_peaks_are_dense() -> None:
    """No peak is the headline with sparsity: bf16 equals fp16, fp8 is at most twice and int8 four times as fast."""
    for gpu in CATALOG.gpus:
        bf16, fp16 = gpu.peak_flops("bf16"), gpu.peak_flops("fp16")
        assert fp16 is not None
        assert bf16 in (None, fp16)
        assert gpu.fp8_tflops is None or gpu.fp8_tflops < 2.1 * fp16 / 1e12
        # GeForce boards run int8 at four times the rate of 16-bit products with fp32 accumulation, all others at twice.
        assert gpu.int8_tops is None or gpu.int8_tops < (4.01 if gpu.name.startswith("RTX") else 2.1) * fp16 / 1e12


def test_every_gpu_has_a_speed() -> None:
    """Of its own, of a relative of the catalog, or of all; what was measured is near what is published."""
    names = {gpu.name for gpu in CATALOG.gpus}
    for entry in CATALOG.speeds.gpus:
        assert entry.gpu in names
        assert entry.like in names | {""}
    for gpu in CATALOG.gpus:
        assert 0.5 < gpu.speed.matmul_fraction < 1.25
        assert 0.9 < gpu.speed.correction < 1.1


def test_a_gpu_that_nobody_measured_is_less_certain() -> None:
    """Its spread is larger, whether it has a relative or not."""
    measured, related, unknown = (CATALOG.gpu(name).speed.spread for name in ("H100 SXM", "H800 SXM", "T4"))
    assert measured < related == unknown


def test_nominal_memory_is_marked() -> None:
    """Memory without a reported value is the nominal size; the reported one is a little below it."""
    for gpu in CATALOG.gpus:
        if gpu.memory_is_nominal:
            assert gpu.memory_mib == gpu.memory_nominal_gib * 1024
        else:
            assert 0.9 < gpu.memory_mib / (gpu.memory_nominal_gib * 1024) <= 1
    assert [gpu.name for gpu in CATALOG.gpus if gpu.memory_is_nominal] == [
        "H20",
        "GB200",
        "MI250X",
        "MI300X",
        "Ascend 910B",
    ]


# GiB that torch's messages print as the total capacity.
USABLE = {
    "RTX 3090": 23.69,
    "RTX 4090": 23.64,
    "RTX 5090": 31.36,
    "T4": 14.74,
    "L4": 22.04,
    "A10G": 22.06,
    "L40S": 44.40,
    "RTX A6000": 47.53,
    "A100 40GB SXM": 39.50,
    "A100 80GB SXM": 79.17,
    "H100 SXM": 79.18,
    "H100 NVL": 93.02,
    "H200": 139.80,
    "B200": 178.35,
    "GB200": 184.31,
    "MI250X": 2 * 63.98,
}


@pytest.mark.parametrize("name", USABLE)
def test_capacity_is_what_cuda_offers(name: str) -> None:
    """The capacity for plans is the total that processes see, not what the driver or the data sheet says."""
    assert CATALOG.gpu(name).memory_bytes / 2**30 == pytest.approx(USABLE[name], abs=0.01)


def test_usable_memory_is_a_little_less_and_sourced() -> None:
    """At most 2% less than published, 9% where the published size is without error correction."""
    without_ecc = {"T4", "A10", "A10G"}
    for gpu in CATALOG.gpus:
        assert (
            (0.91 if gpu.name in without_ecc else 0.979) * gpu.memory_mib <= gpu.memory_bytes / 2**20 < gpu.memory_mib
        )
        assert bool(gpu.usable_source) == (gpu.usable_mib is not None)
        assert gpu.context_mib is None or 100 < gpu.context_mib < 1024


@pytest.mark.parametrize("kind", RESERVED_FRACTIONS)
def test_withheld_share_is_the_median_of_the_known(kind: str) -> None:
    """The share for GPUs without a message is the median of those with one."""
    known = [gpu for gpu in CATALOG.gpus if gpu.memory_class == kind and gpu.usable_mib is not None]
    shares = [1 - gpu.usable_mib / gpu.memory_mib for gpu in known if gpu.usable_mib is not None]
    assert len(shares) > 1
    assert median(shares) == pytest.approx(RESERVED_FRACTIONS[kind], abs=1e-4)


def test_context_constants_are_the_medians_of_the_known() -> None:
    """By generation, and over all GPUs."""
    known = [(gpu.generation, gpu.context_mib) for gpu in CATALOG.gpus if gpu.context_mib is not None]
    assert {generation for generation, _ in known} == set(CONTEXT_MIB)
    for generation, mib in CONTEXT_MIB.items():
        assert median(context for name, context in known if name == generation) == mib
    assert median(context for _, context in known) == DEFAULT_CONTEXT_MIB


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"usable_source": ""}, "need a usable_source"),
        ({"usable_mib": None, "context_mib": None}, "it needs one of them"),
        ({"usable_mib": 24565}, "usable_mib 24565 is more than memory_mib 24564"),
    ],
)
def test_usable_memory_without_sense_is_refused(change: dict[str, object], message: str) -> None:
    """A figure without a source, a source without a figure, and more than there is."""
    with pytest.raises(ValidationError, match=message):
        Gpu.model_validate(CATALOG.gpu("RTX 4090").model_dump() | change)


def test_old_gpus_have_no_bf16() -> None:
    """Volta and Turing have no bf16, and only Ada, Hopper and later (and CDNA3) have fp8."""
    assert {gpu.name for gpu in CATALOG.gpus if gpu.bf16_tflops is None} == {
        "T4",
        "V100 16GB SXM",
        "V100 32GB SXM",
        "V100 PCIe",
        "Ascend 910B",
    }
    assert all(gpu.fp8_tflops is None for gpu in CATALOG.gpus if gpu.architecture.startswith(("Ampere", "Volta")))


def test_unknown_dtype_has_no_peak() -> None:
    """A dtype that nobody computes in is a KeyError, not a silent None."""
    with pytest.raises(KeyError):
        CATALOG.gpu("H100").peak_flops("int3")
