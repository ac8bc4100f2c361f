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
        (("one_dimension", ""), ("scales", "DDP Proposition 1")),
        (HOLD, BROKEN),
    ),
    Formula(
        "Section 3.1",
        "separable potentials",
        "V₁ = V₁(y): M is constant, and Ψ − V₀ too",
        ("cellsolve.macro.effective:effective_coefficients", "cellsolve.potentials.structure:macroscopic_terms"),
        (("additive", "additive"), ("equilibrium", "DDP Section 3.1"), ("rates", "DDP Section 3.1")),
        ("test_rates.py::test_separable_gap_is_that_of_V0_times_M", HOLD, BROKEN),
    ),
    Formula(
        "(30)",
        "brackets through levels",
        "A ≤ B implies A_{hom} ≤ B_{hom}: L_k ≤ K_k ≤ U_k gives L_{k−1} ≤ K_{k−1} ≤ U_{k−1}",
        ("cellsolve.macro.bracket:bracketed", "cellsolve.cellproblem.lower_bounds:LowerBoundSolver.solve"),
        (("through_levels", ""),),
        ("test_through_levels.py::test_closed_forms_lie_between", HOLD, BROKEN),
    ),
    Formula(
        "(14)",
        "errors in brackets",
        "L₀ exp(−e)/Z ≤ M ≤ U₀ exp(+e)/Z, e the error of integrals and lattices",
        ("cellsolve.macro.bracket:bracketed", "cellsolve.multiscale.bounding:checked_by_quadrature"),
        (("through_levels", ""),),
        ("test_through_levels.py::test_without_the_error_of_integrals_the_bracket_misses", HOLD, BROKEN),
    ),
    Formula(
        "(14)",
        "logarithm of M",
        "exp(log M) = M, also where M underflows",
        ("cellsolve.macro.effective:effective_coefficients",),
        (("arrhenius", ""),),
        ("test_sweep.py::test_the_logarithm_of_diffusion_is_that_of_a_matrix", HOLD, BROKEN),
    ),
    Formula(
        "Section 1",
        "identical scales",
        "V₁ = Σ_k U(y_k): M = M₁^N",
        ("cellsolve.exact:zwanzig", "cellsolve.multiscale.level:solve_level"),
        (("scales", "DDP Section 1"),),
        (HOLD, BROKEN),
    ),
    Formula(
        "Proposition 3",
        "weak convergence",
        "μ^ε = exp(−V^ε/σ)/Z^ε → μ⁰ = exp(−Ψ/σ)/Z̄ weakly, W₁(μ^ε, μ⁰) = O(ε)",
        (
            "cellsolve.dynamics.density:invariant_density",
            "cellsolve.dynamics.density:homogenized_density",
            "cellsolve.dynamics.distances:wasserstein_distance",
            "cellsolve.dynamics.distances:weak_distance",
        ),
        (("equilibrium", "DDP Proposition 3"),),
        (HOLD, BROKEN),
    ),
    Formula(
        "Example 1",
        "total variation and relative entropy",
        "V₁ = α cos 2πy, s = α/σ: TV(μ^ε, μ⁰) → ½ ∫ |exp(−s cos 2πy)/I₀(s) − 1| dy, "
        "H(μ^ε|μ⁰) → s I₁(s)/I₀(s) − log I₀(s)",
        (
            "cellsolve.dynamics.distances:total_variation",
            "cellsolve.dynamics.distances:relative_entropy",
            "cellsolve.dynamics.cosine_limits:cosine_total_variation",
            "cellsolve.dynamics.cosine_limits:cosine_relative_entropy",
        ),
        (("equilibrium", "DDP Example 1"),),
        (HOLD, BROKEN),
    ),
    Formula(
        "Proposition 4",
        "spectral gap",
        "λ = min_f σ ∫ ∇f·M∇f dμ / Var_μ(f), of μ^ε with M = I and of μ⁰",
        ("cellsolve.dynamics.rates:spectral_gap",),
        (("rates", "DDP Proposition 4"),),
        ("test_rates.py::test_gap_of_the_full_dynamics_agrees_with_finite_volumes", HOLD, BROKEN),
    ),
    Formula(
        "Proposition 4",
        "Poincaré bound",
        "λ^ε, λ⁰ ≥ exp(−osc V₁/σ) λ(V₀)",
        ("cellsolve.dynamics.rates:poincare_bound",),
        (("rates", "DDP Proposition 4"),),
        ("test_rates.py::test_poincare_bound_is_that_of_V0_less_the_oscillation", HOLD, BROKEN),
    ),
)
