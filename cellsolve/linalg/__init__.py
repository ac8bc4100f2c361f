"""Batched preconditioned conjugate gradients and the preconditioners of cell problems."""
