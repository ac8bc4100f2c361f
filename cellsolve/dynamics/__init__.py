"""What the landscapes do to a particle: equilibrium, distances between equilibria, and rates of relaxation."""
