"""Embeddings in, numbers out: probes, reference rows, missing sensors, factors read back."""

from mmalign.evaluation.embedding import embed_all
from mmalign.evaluation.fallback import side_by_side
from mmalign.evaluation.information import factor_r2
from mmalign.evaluation.missing import (
    HEADS,
    Contender,
    missing_options,
    missing_sensors,
    patterns,
    summarise,
)
from mmalign.evaluation.probe import fit_linear, knn_probe, linear_probe, scores
from mmalign.evaluation.protocols import (
    CHANCE,
    FRACTIONS,
    Cell,
    default_cells,
    evaluate,
    labelled_rows,
    record,
    test_rows,
)
from mmalign.evaluation.reference import majority, raw_features
from mmalign.evaluation.sensor_sets import sensor_sets
from mmalign.evaluation.splits import HeldOut, hold_out_groups

__all__ = [
    "CHANCE",
    "FRACTIONS",
    "HEADS",
    "Cell",
    "Contender",
    "HeldOut",
    "default_cells",
    "embed_all",
    "evaluate",
    "factor_r2",
    "fit_linear",
    "hold_out_groups",
    "knn_probe",
    "labelled_rows",
    "linear_probe",
    "majority",
    "missing_options",
    "missing_sensors",
    "patterns",
    "raw_features",
    "record",
    "scores",
    "sensor_sets",
    "side_by_side",
    "summarise",
    "test_rows",
]
