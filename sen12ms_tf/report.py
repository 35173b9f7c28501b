"""What people look at: tables for the terminal, pictures for a paper."""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from etils import epath
from matplotlib.figure import Figure

from sen12ms_tf.bands import S1_CLIP_DB, stored_bands
from sen12ms_tf.landcover import FILL_CODE, IGBP, SCHEMES, Scheme
from sen12ms_tf.storage import atomic_writer

_NOTHING = "(nothing)"


def class_table(report: Mapping[str, Mapping[str, float]], class_names: Sequence[str]) -> str:
    """Precision, recall, F1 and support of each class, from `clsReport`, as lines of text."""
    width = max(map(len, class_names))
    lines = [f"{'class':{width}}  precision  recall      F1  support"]
    for name in class_names:
        row = report[name]
        lines.append(
            f"{name:{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1-score']:6.3f}"
            f"  {int(row['support']):7d}"
        )
    return "\n".join(lines)


def headline(scores: Mapping[str, object]) -> str:
    """The figures that papers put first, on one line."""
    keys = ("microF1", "macroF1", "sampleF1", "AverageAcc", "averagePrecisionMacro", "ECE")
    return "  ".join(f"{key} {scores[key]:.3f}" for key in keys)


def draw_confusion(path: epath.Path, matrix: np.ndarray, scheme: Scheme, title: str) -> None:
    """Draws `metrics.confusion_matrix`: rows in percent of the true class, with its support."""
    names = [*scheme.class_names, _NOTHING]
    support = matrix.sum(axis=1)
    percent = 100 * matrix / np.maximum(support, 1e-12)[:, None]
    # The last row has no true class to be a percentage of; a percentage of all labels will do.
    percent[-1] = 100 * matrix[-1] / max(support[:-1].sum(), 1e-12)
    size = 2.6 + 0.55 * len(names)
    figure = Figure(figsize=(size + 1.4, size), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(percent):
        if value >= 0.5:
            colour = "white" if value > 60 else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
    rows = [
        f"{name}  n = {count:.0f}" for name, count in zip(scheme.class_names, support, strict=False)
    ]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [*rows, _NOTHING])
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, colour in zip(ticks, scheme.colours, strict=False):
            label.set_bbox({"facecolor": colour, "alpha": 0.35, "edgecolor": "none", "pad": 1.5})
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    axes.axhline(len(names) - 1.5, color="0.6", linewidth=0.8)
    axes.axvline(len(names) - 1.5, color="0.6", linewidth=0.8)
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.7)
    _save(figure, path)


def draw_predictions(
    path: epath.Path,
    records: Sequence[Mapping[str, np.ndarray]],
    truth: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
    scheme: Scheme,
    title: str,
) -> None:
    """Draws patches side by side: optical, radar, land cover, and what a model says of them.

    Args:
      path: of the PNG.
      records: with `id`, `s2`, `s1` and `lc`, as decoded.
      truth: 0 or 1, [records, num_classes].
      predicted: likewise.
      probabilities: likewise, from 0 to 1.
      scheme: its classes and colours.
      title: above all.
    """
    figure = Figure(figsize=(1.2 + 2.35 * len(records), 9.4), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=13)
    grid = figure.subplots(4, len(records), height_ratios=[1, 1, 1, 1.25], squeeze=False)
    for column, record in enumerate(records):
        images = (true_colour(record["s2"]), radar_composite(record["s1"]), _legend_map(record))
        for row, image in enumerate(images):
            grid[row, column].imshow(image, interpolation="nearest")
            grid[row, column].set(xticks=[], yticks=[])
        grid[0, column].set_title(str(record["id"]), fontsize=7.5)
        rows = truth[column], predicted[column], probabilities[column]
        _bars(grid[3, column], *rows, scheme, named=column == 0)
    for axes, name in zip(
        grid[:, 0], ("Sentinel-2", "Sentinel-1", "land cover", "prediction"), strict=True
    ):
        axes.set_ylabel(name, fontsize=10)
    _save(figure, path)


def _bars(axes, truth, predicted, probabilities, scheme: Scheme, named: bool) -> None:
    positions = np.arange(scheme.num_classes)
    axes.barh(positions, probabilities, color=scheme.colours, edgecolor="0.35", linewidth=0.6)
    axes.axvline(0.5, color="0.4", linewidth=0.8, linestyle=":")
    for position in positions:
        wrong = bool(truth[position]) != bool(predicted[position])
        if truth[position] or wrong:
            mark = ("missed" if truth[position] else "false") if wrong else "true"
            colour = "#c00000" if wrong else "#006000"
            axes.text(1.03, position, mark, va="center", fontsize=7, color=colour)
    axes.set(xlim=(0, 1.32), ylim=(scheme.num_classes - 0.5, -0.5), xticks=[0, 0.5, 1])
    axes.set_yticks(positions, scheme.class_names if named else [], fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def true_colour(s2: np.ndarray) -> np.ndarray:
    """float [height, width, 3] in 0 to 1: red, green, blue of `s2` as stored, stretched."""
    names = stored_bands("s2")
    rgb = s2[..., [names.index(name) for name in ("B4", "B3", "B2")]].astype(float)
    low, high = np.percentile(rgb, (1, 98))
    return np.clip((rgb - low) / max(high - low, 600.0), 0, 1) ** 0.8


def radar_composite(s1: np.ndarray) -> np.ndarray:
    """float [height, width, 3] in 0 to 1: VV, VH and their difference as red, green, blue."""
    low, high = S1_CLIP_DB
    vv, vh = np.nan_to_num(s1[..., 0], nan=low), np.nan_to_num(s1[..., 1], nan=low)
    composite = np.stack(
        [(vv - low) / (high - low), (vh - low) / (high - 5 - low), (vv - vh) / 14], -1
    )
    return np.clip(composite, 0, 1)


def _legend_map(record: Mapping[str, np.ndarray]) -> np.ndarray:
    """The IGBP layer in the colours of the simplified classes; fill is white."""
    simplified = SCHEMES["igbp_simplified"]
    palette = np.ones((FILL_CODE + 1, 3))
    for row in IGBP:
        palette[row.code] = matplotlib.colors.to_rgb(simplified.colours[row.group - 1])
    return palette[record["lc"][..., 0]]


def _save(figure: Figure, path: epath.Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with atomic_writer(path) as file:
        file.write(buffer.getvalue())
