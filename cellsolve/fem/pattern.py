"""Where the entries of symmetric element matrices go: A = sum_e P_e^T A_e P_e.

Element matrices are kept as their upper triangles, row by row: (.., elements, pairs).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from cellsolve.fem.numbering import number_distinct, pair_keys
from cellsolve.fem.space import FloatArray

__all__ = ["Pattern", "in_batches", "pair_numbers"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The sparsity of A, and the slot of each pair of each element matrix: the n diagonal entries, then those above."""

    indices: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int32]
    source: npt.NDArray[np.int32]  # (entries of A,) the slot that each entry is read from
    slots: IntArray  # (elements * pairs,)
    count: int  # of slots
    loops: IntArray  # slots of pairs of nodes that are the same unknown, on cells of one or two elements a side
    loop_entries: IntArray  # (loops,) the entries of A that they belong to, twice
    n: int

    @classmethod
    def of(cls, element_dofs: IntArray, n: int) -> Pattern:
        pairs = np.stack(np.triu_indices(element_dofs.shape[1], 1), axis=1)
        keys = pair_keys(element_dofs, pairs, n)
        numbers, place = number_distinct(keys)
        distinct = keys[place]
        row = distinct // n
        column = distinct - row * n
        A = _symmetric(row, column, n)
        loops = np.flatnonzero(row == column)
        diagonal = np.flatnonzero(A.data <= n)
        slots = _slots(element_dofs, numbers + n)
        return cls(A.indices, A.indptr, A.data - 1, slots.ravel(), n + len(row), loops + n, diagonal[row[loops]], n)

    def fill(self, blocks: FloatArray) -> FloatArray:
        """Entries (b, entries of A) from element matrices (b, elements, pairs)."""
        b = len(blocks)
        slots = in_batches(self.slots, b, self.count)
        values = np.bincount(slots, weights=blocks.ravel(), minlength=b * self.count).reshape(b, -1)
        entries = values.take(self.source, axis=1).astype(float, copy=False)
        np.add.at(entries.T, self.loop_entries, 2.0 * values[:, self.loops].T)
        return entries

    def matrix(self, entries: FloatArray) -> sp.csr_array:
        """Entries (b, entries of A) as one matrix (b n, b n), block-diagonal."""
        count, size = entries.shape
        if count == 1:
            return sp.csr_array((entries[0], self.indices, self.indptr), shape=(self.n, self.n))
        starts = np.arange(count, dtype=np.int32)[:, None]
        indices = (self.indices + self.n * starts).ravel()
        indptr = np.append((self.indptr[:-1] + size * starts).ravel(), np.int32(count * size))
        return sp.csr_array((entries.ravel(), indices, indptr), shape=(count * self.n,) * 2)


def in_batches(numbers: IntArray, count: int, n: int) -> IntArray:
    """Numbers below n, of ``count`` problems one after the other: (count * numbers,)."""
    if count == 1:
        return numbers.ravel()
    return (numbers.ravel() + n * np.arange(count)[:, None]).ravel()


def pair_numbers(local: int) -> IntArray:
    """(local, local): which pair of an upper triangle an entry is."""
    numbers = np.empty((local, local), dtype=np.int64)
    upper = np.triu_indices(local)
    numbers[upper] = numbers.T[upper] = np.arange(len(upper[0]))
    return numbers


def _slots(element_dofs: IntArray, above: IntArray) -> IntArray:
    """Diagonal slots are the unknowns; ``above`` (elements * pairs,) are those of pairs of different nodes."""
    elements, local = element_dofs.shape
    a, b = np.triu_indices(local)
    slots = np.empty((elements, len(a)), dtype=np.int64)
    slots[:, a == b] = element_dofs
    slots[:, a != b] = above.reshape(elements, -1)
    return slots


def _symmetric(row: IntArray, column: IntArray, n: int) -> sp.csr_array:
    """The pattern of A; as data 1 + the slot. Rows ascend, and columns in them, none below its row."""
    above = row < column
    slot = np.arange(n + 1, n + 1 + len(row), dtype=np.int32)[above]
    start = np.searchsorted(row[above], np.arange(n + 1)).astype(np.int32)
    upper = sp.csr_array((slot, column[above].astype(np.int32), start), shape=(n, n))
    every = np.arange(n + 1, dtype=np.int32)
    diagonal = sp.csr_array((every[1:], every[:-1], every), shape=(n, n))
    A = sp.csr_array(sp.csr_array(upper.T) + diagonal + upper)
    A.sort_indices()
    return A
