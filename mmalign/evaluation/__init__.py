"""Embeddings in, numbers out: probes, what needs no labels, reference rows, missing sensors."""

from mmalign.evaluation.bound import binding_quality
from mmalign.evaluation.embedding import embed_all
from mmalign.evaluation.factors import factor_r2
from mmalign.evaluation.features import filled, window_statistics
from mmalign.evaluation.held_out import held_out
from mmalign.evaluation.label_free import alignment, knn_agreement, modality_gap, uniformity
from mmalign.evaluation.linear import fit_linear
from mmalign.evaluation.missing import HEADS, Contender, missing_sensors, summarise
from mmalign.evaluation.missing_config import missing_options, patterns
from mmalign.evaluation.probe import knn_probe, linear_probe
from mmalign.evaluation.protocols import (
    FRACTIONS,
    Cell,
    chance,
    default_cells,
    evaluate,
    labelled_rows,
    record,
    shown_rows,
    test_rows,
    tested_modalities,
    unprobed,
)
from mmalign.evaluation.recalled import recalled
from mmalign.evaluation.reference import majority, raw_features
from mmalign.evaluation.retrieval import retrieval, transfer
from mmalign.evaluation.scoring import scores
from mmalign.evaluation.sensor_sets import sensor_sets
from mmalign.evaluation.spaces import across_sensors, without_labels
from mmalign.evaluation.spectrum import alpha_req, lidar, rankme
from mmalign.evaluation.stored_probe import StoredProbe, calibration_error, restored, stored
from mmalign.evaluation.targets import probe_targets

__all__ = [
    "FRACTIONS",
    "HEADS",
    "Cell",
    "Contender",
    "StoredProbe",
    "across_sensors",
    "alignment",
    "alpha_req",
    "binding_quality",
    "calibration_error",
    "chance",
    "default_cells",
    "embed_all",
    "evaluate",
    "factor_r2",
    "filled",
    "fit_linear",
    "held_out",
    "knn_agreement",
    "knn_probe",
    "labelled_rows",
    "lidar",
    "linear_probe",
    "majority",
    "missing_options",
    "missing_sensors",
    "modality_gap",
    "patterns",
    "probe_targets",
    "rankme",
    "raw_features",
    "recalled",
    "record",
    "restored",
    "retrieval",
    "scores",
    "sensor_sets",
    "shown_rows",
    "stored",
    "summarise",
    "test_rows",
    "tested_modalities",
    "transfer",
    "uniformity",
    "unprobed",
    "window_statistics",
    "without_labels",
]
