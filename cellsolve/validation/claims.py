"""A claim: a figure measured, and the bound it must meet."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Claim", "accuracy_claims", "print_claims"]


@dataclass(frozen=True, slots=True)
class Claim:
    """``measured`` <= ``bound`` is what is claimed."""

    name: str
    measured: float
    bound: float

    @property
    def passed(self) -> bool:
        return self.measured <= self.bound


def accuracy_claims(label: str, error: float, estimate: float, tol: float) -> list[Claim]:
    """That a relative error of M meets its tolerance, and that its estimate covers it."""
    return [
        Claim(f"{label}: relative error of M", error, tol),
        Claim(f"{label}: true error / estimate", error / estimate, 1.0),
    ]


def print_claims(claims: list[Claim]) -> int:
    """Print a table of claims; the number of those that fail."""
    width = max(len(claim.name) for claim in claims)
    for claim in claims:
        verdict = "ok" if claim.passed else "FAILS"
        print(f"{claim.name:{width}}  {claim.measured:9.2e}  <= {claim.bound:8.1e}  {verdict}")
    return sum(not claim.passed for claim in claims)
