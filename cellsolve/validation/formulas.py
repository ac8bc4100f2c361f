"""The formulas of the paper that the program implements: equation number, code, and the claims and tests that hold it.

Source: Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), "DDP", equation numbers as there; (13) and the free
energy are printed there without V0, which the proof in section 5.3 has.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FORMULAS", "Formula"]

_OWN_CLAIMS = "formulas"
_BREAKING = "broken_formulas"
HOLD, BROKEN = "test_formulas.py::test_formulas_hold", "test_formulas.py::test_broken_formulas_are_seen"


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, and what would fail if the program had it wrong.

    ``code``: objects "module:name" that compute it. ``claims``: (case, beginning of the claims' names). ``tests``:
    "file::function" in the folder ``tests``.
    """

    number: str
    name: str
    text: str
    code: tuple[str, ...]
    claims: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    @property
    def key(self) -> str:
        """How the names of its claims begin in the cases ``formulas`` and ``broken_formulas``."""
        return f"{self.number} {self.name}:"

    @property
    def all_claims(self) -> tuple[tuple[str, str], ...]:
        """Its own, those that see it broken, and those of other cases."""
        return ((_OWN_CLAIMS, self.key), (_BREAKING, self.key), *self.claims)


FORMULAS = (
    Formula(
        "(13)",
        "partition function",
        "Z(x) = ∫ exp(−V₁/σ) dy₁ … dy_N",
        ("cellsolve.multiscale.level:level_coefficient", "cellsolve.multiscale.level:solve_level"),
        (),
        (HOLD, BROKEN),
    ),
    Formula(
        "(14)",
        "effective diffusion",
        "M(x) = K₀(x) / Z(x)",
        ("cellsolve.macro.effective:effective_coefficients",),
        (("additive", "additive"), ("coupled_two_scales", "tol")),
        (HOLD, BROKEN),
    ),
    Formula(
        "(15)",
        "cell problem",
        "div_{y_k}( K_k (∇_{y_k} θ_k + I) ) = 0 on the torus",
        ("cellsolve.linalg.solver:CellSolver.solve", "cellsolve.cellproblem.solve:solve_cell_problem"),
        (("composites", "laminate"), ("observed_order", "triangle"), ("duality", "K[-V]")),
        (HOLD, BROKEN),
    ),
    Formula(
        "(16)",
        "recursion",
        "K_{k−1} = ∫ (I + ∇θ_k)ᵀ K_k (I + ∇θ_k) dy_k",
        ("cellsolve.multiscale.level:level_coefficient", "cellsolve.linalg.energies:energy_tensor"),
        (("coupled_two_scales", "tol"),),
        (HOLD, BROKEN),
    ),
    Formula(
        "(17)",
        "innermost coefficient",
        "K_N = exp(−V₁/σ) I",
        ("cellsolve.multiscale.level:level_coefficient", "cellsolve.multiscale.level:terms_at"),
        (("duality", "cos cos"),),
        (HOLD, BROKEN),
    ),
    Formula(
        "(18)",
        "free energy",
        "Ψ = V₀ − σ log Z, and ∇Ψ",
        ("cellsolve.macro.effective:effective_coefficients", "cellsolve.exact:free_energy_1d"),
        (),
        (HOLD, BROKEN),
    ),
    Formula(
        "(18)",
        "drift of the homogenized equation",
        "dX = −M ∇Ψ dt + σ div M dt + √(2σM) dW (Itô), (div M)_i = Σ_j ∂M_{ij}/∂x_j",
        ("cellsolve.macro.effective:effective_coefficients", "cellsolve.linalg.energies:TotalGradients.derivative"),
        (),
        (HOLD, BROKEN),
    ),
    Formula(
        "(20)",
        "bounds of M",
        "exp(−osc V₁/σ) ≤ 1/(Z Ẑ) ≤ e·M e ≤ 1 for unit vectors e",
        ("cellsolve.macro.model:homogenize",),
        (),
        (HOLD, BROKEN),
    ),
    Formula(
        "(30)",
        "variational principle",
        "e·K_{k−1} e = min_θ ∫ (e + ∇θ)·K_k (e + ∇θ) dy_k, and its dual: lower ≤ K ≤ upper",
        ("cellsolve.cellproblem.bounds:Bracket", "cellsolve.linalg.energies:energy_tensor"),
        (("brackets", ""), ("checkerboard", "contrast"), ("composites", "square hole")),
        ("test_validation.py::test_bounds_wrong_by_a_millionth_are_seen", HOLD, BROKEN),
    ),
    Formula(
        "Proposition 1",
        "one dimension",
        "M = 1/(Z Ẑ), Ẑ = ∫ exp(+V₁/σ)",
        ("cellsolve.exact:effective_diffusion_1d", "cellsolve.linalg.solver:CellSolver.solve"),
        (("one_dimension", ""),),
        (HOLD, BROKEN),
    ),
    Formula(
        "Section 3.1",
        "separable potentials",
        "V₁ = V₁(y): M is constant, and Ψ − V₀ too",
        ("cellsolve.macro.effective:effective_coefficients", "cellsolve.potentials.structure:macroscopic_terms"),
        (("additive", "additive"),),
        (HOLD, BROKEN),
    ),
)
