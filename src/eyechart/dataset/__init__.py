"""Datasets of clean and distorted pictures, split by content: ``build_dataset(DatasetConfig(), folder)``."""

from __future__ import annotations

from eyechart.dataset.build import build_dataset
from eyechart.dataset.check import check_dataset, counts
from eyechart.dataset.config import DatasetConfig
from eyechart.dataset.dataset import Dataset, load_dataset

__all__ = ["Dataset", "DatasetConfig", "build_dataset", "check_dataset", "counts", "load_dataset"]
