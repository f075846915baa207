"""Does the proposed ladder beat a uniform grid of the same cost, also when the prior's exponents are wrong?

For each budget the ladder is chosen under Chinchilla's law (Besiroglu et al. 2024) and judged in made-up studies under
that law and under four whose alpha and beta are off by 30 % either way. Beside it the plain grid, the same grid with
the ladder's own spans, and one ratio of 20 tokens per parameter.

    python benchmarks/laws_design.py [--studies 300] [--noise 0.003]
"""

import argparse
from dataclasses import replace

from scaling.laws.design import PRIOR, simulate
from scaling.laws.propose import Ladder, laws_around, propose, uniform_grid

CASES = ((1e15, 1e17), (1e17, 1e19), (1e19, 1e21), (1e20, 1e23))


def rivals(proposal, budget):
    plain = Ladder(sizes=8, size_span=30.0, horizons=6, horizon_span=8.0, ratio=20.0, per_param=False, seeds=1)
    wide = replace(plain, size_span=proposal.ladder.size_span, horizon_span=proposal.ladder.horizon_span)
    return {"proposed": proposal.cells, "uniform grid": uniform_grid(budget), "grid, same spans": wide.cells(budget),
            "near one ratio": replace(plain, per_param=True, horizons=2, horizon_span=1.5).cells(budget)}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--noise", type=float, default=0.003)
    arguments = parser.parse_args()
    for budget, target in CASES:
        proposal = propose(budget, target, noise=arguments.noise)
        print(f"budget {budget:.0e}, target {target:.0e}: {proposal.ladder} of {proposal.tried}")
        for law in laws_around(PRIOR):
            shown = []
            for name, cells in rivals(proposal, budget).items():
                found = simulate(cells, target, law, noise=arguments.noise, studies=arguments.studies)
                shown.append(f"{name} a {found.a_width:.4f} L {found.loss_width:.2%}")
            print(f"  alpha {law['alpha']:.3f} beta {law['beta']:.3f}: " + ";  ".join(shown), flush=True)


if __name__ == "__main__":
    main()
