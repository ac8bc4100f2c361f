"""Shares of patches that balance: what iterations that stop early leave goes from patch to patch.

Within an element the shares of its corners can be changed as long as their sum stays. So what a patch has too much of
is handed to a neighbour through an element of both, along a tree of patches and, if possible, where elements conduct.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.patches import Patches
from cellsolve.cellproblem.spanning_tree import Forest, spanning_forest, unbalanced
from cellsolve.fem.space import FloatArray

__all__ = ["balance"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def balance(source: FloatArray, patches: Patches, conductance: FloatArray, most: float) -> BoolArray:
    """Change sources (e, d + 1, m) of corners so that those of each patch sum to zero. The elements (e,) of pieces for
    which there are none, since the whole piece is out of balance beside the largest outflow ``most``."""
    count, corners, m = source.shape
    patch = patches.of_corners()
    missing = np.stack([np.bincount(patch, source[..., r].ravel()).astype(float) for r in range(m)], axis=1)
    patch = patch.reshape(count, corners)
    first, second = np.repeat(patch[:, 0], corners - 1), patch[:, 1:].ravel()
    forest = spanning_forest(first, second, np.repeat(1.0 / conductance, corners - 1), len(missing))
    total, flow = _flows(forest, missing)
    child = forest.children
    element, corner = np.divmod(forest.link[child], corners - 1)
    here = np.where(forest.forward[child], 0, corner + 1)
    there = np.where(forest.forward[child], corner + 1, 0)
    np.subtract.at(source, (element, here), flow[child])
    np.add.at(source, (element, there), flow[child])
    return unbalanced(total, most)[patch[:, 0]]


def _flows(forest: Forest, missing: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The sums (p, m) over the piece of each patch, and what each patch hands to its parent: all that is missing behind
    it, but for its share of the sum, which is rounding."""
    counted = np.concatenate([missing, np.ones((len(missing), 1))], axis=1)
    behind = forest.behind(counted)
    whole = behind[forest.roots]
    total, number = whole[:, :-1], whole[:, -1:]
    return total, behind[:, :-1] - behind[:, -1:] * (total / number)
