"""Gradients of functions on all elements, and their transpose, without one large matrix of them.

grad u = J^-T sum_a u_a (reference gradient of N_a)
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.elements import Affine, Elements
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.space import FloatArray

__all__ = ["local_divergence", "local_gradient"]


def local_gradient(elements: Elements, values: FloatArray) -> FloatArray:
    """Gradients (d, m, q) of functions by their values (m, local) at the nodes of each element."""
    if not isinstance(elements, Affine):
        gradients: FloatArray = np.einsum("ma,majq->jmq", values, elements.gradients, optimize=True)
        return gradients
    slopes = elements.reference.gradients(elements.reference.points)  # (q, local, d)
    q, local, d = slopes.shape
    table = slopes.transpose(1, 0, 2).reshape(local, q * d)
    result = np.empty((d, len(values), q))
    for part in element_parts(len(values), 4 * q * d):
        result[:, part] = ((values[part] @ table).reshape(-1, q, d) @ elements.inverse[part]).transpose(2, 0, 1)
    return result


def local_divergence(elements: Elements, field: FloatArray) -> FloatArray:
    """The transpose: fields (d, m, q) to loads (m, local)."""
    if not isinstance(elements, Affine):
        loads: FloatArray = np.einsum("jmq,majq->ma", field, elements.gradients, optimize=True)
        return loads
    slopes = elements.reference.gradients(elements.reference.points)
    q, local, d = slopes.shape
    table = slopes.transpose(0, 2, 1).reshape(q * d, local)
    result = np.empty((field.shape[1], local))
    for part in element_parts(len(result), 4 * q * d):
        turned = field[:, part].transpose(1, 2, 0) @ elements.inverse[part].swapaxes(1, 2)
        result[part] = turned.reshape(-1, q * d) @ table
    return result
