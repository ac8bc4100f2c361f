"""Every validation script runs, coarse, and its claims hold."""

from __future__ import annotations

import pytest

from cellsolve.validation import Claim, cases

CASES = cases(effort=0)


@pytest.mark.parametrize("name", sorted(CASES))
def test_claims_hold(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    claims = CASES[name]()
    said = capsys.readouterr().err
    if not claims and "gmsh is" in said:
        pytest.skip(said)
    assert claims
    assert [claim for claim in claims if not claim.passed] == []


def test_a_claim_fails_when_the_bound_is_missed() -> None:
    assert Claim("small enough", 1.0, 1.0).passed
    assert not Claim("too large", 1.1, 1.0).passed
    assert not Claim("not a number", float("nan"), 1.0).passed
