"""Shares of patches that balance: what iterations that stop early leave, or what rounding adds, goes from patch to patch.

Within an element the shares of its corners can be changed as long as their sum stays. So what a patch has too much of
is handed to a neighbour through an element of both, along a tree of patches and, if possible, where elements conduct.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.patches import Patches
from cellsolve.cellproblem.spanning_tree import spanning_forest, unbalanced
from cellsolve.fem.space import FloatArray

__all__ = ["balanced"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def balanced(
    source: FloatArray, patches: Patches, conductance: FloatArray, largest: float
) -> tuple[FloatArray, BoolArray]:
    """Sources (e, d + 1, m) of corners of which those of each patch sum to zero, and the elements (e,) of pieces for
    which there are none, since all of the piece is out of balance beside the ``largest`` outflow."""
    count, corners, m = source.shape
    patch = patches.of_corners()
    missing = np.stack([np.bincount(patch, source[..., r].ravel()) for r in range(m)], axis=1)
    patch = patch.reshape(count, corners)
    first, second = np.repeat(patch[:, 0], corners - 1), patch[:, 1:].ravel()
    forest = spanning_forest(first, second, np.repeat(1.0 / conductance, corners - 1), len(missing))
    behind, child = forest.behind(missing), forest.children
    element, corner = np.divmod(forest.link[child], corners - 1)
    here = np.where(forest.forward[child], 0, corner + 1)
    there = np.where(forest.forward[child], corner + 1, 0)
    result = source.copy()
    np.subtract.at(result, (element, here), behind[child])
    np.add.at(result, (element, there), behind[child])
    return result, forest.of_roots(unbalanced(behind, largest))[patch[:, 0]]
