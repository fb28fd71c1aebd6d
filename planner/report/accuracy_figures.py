"""The time model in the page on accuracy: errors on sources left out of the fit, and every figure with its evidence."""

from __future__ import annotations

from planner.catalog.speed import Figure, Speeds
from planner.report.markdown import table

COMMAND = "python -m planner.measured.calibration measurements/published/throughput.csv"
LEFT_OUT = (
    "The few free figures of the time model are fitted to the published speeds. In sample: errors of runs that were "
    "part of the fit. Left out: errors of a source's runs by the fit of all other sources, which never saw them: "
    f"what to expect of new data, and what the 90% intervals of speed are made of. Both are from `{COMMAND}`, which "
    "takes minutes; `catalogs/efficiency.yaml` holds its results."
)
FIGURES = (
    "Every figure that formulas of time use, with the range of the fits without one of the sources. A figure without a "
    "range is taken from its source as it is."
)
MATMUL = (
    "The best dense matrix multiplications measured on each GPU, as a share of its published dense peak, and the "
    "correction of that in training, which is fitted where a GPU type has many runs."
)


def left_out_section(speeds: Speeds) -> list[str]:
    """In-sample and left-out errors of speed, source by source; nothing where the catalog has none."""
    if not speeds.validation:
        return []
    header = ["source", "runs", "in sample median", "p90", "left out median", "p90"]
    rows = [
        [each.source, str(each.runs)]
        + [
            f"{error:.1%}"
            for error in (each.in_sample_median, each.in_sample_p90, each.left_out_median, each.left_out_p90)
        ]
        for each in speeds.validation
    ]
    return ["### Speed of sources left out of the fit", "", LEFT_OUT, "", *table(header, rows)]


def figures_section(speeds: Speeds) -> list[str]:
    """Every figure of the time model."""
    header = ["figure", "value", "range", "evidence"]
    return [
        "## Figures of the time model",
        "",
        FIGURES,
        "",
        *table(header, [[name, *_figure(each)] for name, each in speeds.figures.items()], right_from=len(header)),
        *_attention(speeds),
        *_gpus(speeds),
    ]


def _figure(figure: Figure) -> list[str]:
    known = f"{figure.low:g} to {figure.high:g}" if figure.fitted else "-"
    return [f"{figure.value:g}", known, figure.source]


def _attention(speeds: Speeds) -> list[str]:
    header = ["attention kernel", "GPU architecture", "share of the matrix rate", "evidence"]
    rows = [[each.kernel, each.architecture, f"{each.fraction:g}", each.source] for each in speeds.attention]
    rows += [[kernel, "any other", f"{share:g}", ""] for kernel, share in speeds.attention_otherwise.items()]
    return table(header, rows, right_from=len(header))


def _gpus(speeds: Speeds) -> list[str]:
    header = ["GPU", "16-bit share of peak", "fp8 share of peak", "correction", "evidence"]
    rows = []
    for each in (*speeds.gpus, speeds.otherwise):
        fp8 = "-" if each.fp8_fraction is None else f"{each.fp8_fraction:g}"
        name = "any other" if each is speeds.otherwise else each.gpu
        rows.append([name, f"{each.matmul_fraction:g}", fp8, f"{each.correction:g}", each.source])
    return [MATMUL, "", *table(header, rows, right_from=len(header))]
