"""Equal rows of a table, sorted out without a loop."""

import numpy as np


def first_of_each(rows: np.ndarray) -> np.ndarray:
    """Index of the first of each set of equal rows, in no order. (N, D) -> (K,), int64"""
    order = np.lexsort(rows.T)  # stable: of equal rows the first comes first
    new = np.ones(len(rows), bool)
    new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(1)
    return order[new]


def repeated(rows: np.ndarray) -> np.ndarray:
    """Whether an equal row stands before each. (N, D) -> (N,), bool"""
    result = np.ones(len(rows), bool)
    result[first_of_each(rows)] = False
    return result


def keys(rows: np.ndarray, base: np.ndarray) -> np.ndarray:
    """One number for each row of whole numbers from 0 to below ``base``. (N, D) -> (N,)"""
    result = np.zeros(len(rows), np.int64)
    for column, length in zip(rows.T, base, strict=True):
        result = result * length + column
    return result


def group_sizes(rows: np.ndarray) -> np.ndarray:
    """How many rows are equal, for each set of equal rows of whole numbers. (N, D) -> (K,)"""
    if not len(rows):
        return np.zeros(0, np.int64)
    return np.unique(keys(rows, rows.max(0) + 1), return_counts=True)[1]
