"""Results in; out comes what people read: a table, results.json, one self-contained page."""

from mmalign.report.advice import advice
from mmalign.report.cautions import better_without, cautions
from mmalign.report.comparison import comparison_page, csv_of
from mmalign.report.page import write
from mmalign.report.probes import probe_table
from mmalign.report.results import plain, read_results, write_results
from mmalign.report.spaces import label_free_table
from mmalign.report.table import Table
from mmalign.report.targets import targets_table

__all__ = [
    "Table",
    "advice",
    "better_without",
    "cautions",
    "comparison_page",
    "csv_of",
    "label_free_table",
    "plain",
    "probe_table",
    "read_results",
    "targets_table",
    "write",
    "write_results",
]
