"""The systematic error of approach 2: D* at 1e24 FLOPs from profiles without any noise.

Five budgets from 1e17 to 1e21, fifteen sizes each, within a factor of the centre. Rows: a symmetric surface,
Chinchilla's, a strongly asymmetric one, and profiles whose centre drifts to a third of the best size. The values of
arXiv 2603.22339 (parabola) are printed beside ours.

    python benchmarks/laws_isoflop_bias.py
"""

import numpy as np

from scaling.laws.optimal import profile_bias
from scaling.laws.trunks import Points

REACHES = (2, 4, 8, 16)
TARGET = 1e24
# name, alpha, beta, drift of the centre, published error in percent at each reach (None where none was published)
ROWS = (
    ("alpha = beta = .31", 0.31, 0.31, 1.0, (0, 0, 0, 0)),
    ("Chinchilla .34/.28", 0.34, 0.28, 1.0, (-0.33, -1.30, -2.90, -5.10)),
    ("asymmetric .465/.155", 0.465, 0.155, 1.0, (-1.67, -6.50, -13.91, -23.12)),
    ("symmetric, drifting 3x", 0.31, 0.31, 3.0, (6.07, 5.17, 3.70, 1.69)),
    ("Chinchilla, drifting 3x", 0.34, 0.28, 3.0, (None,) * 4),
)


def error(alpha, beta, drift, reach, method):
    law = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": alpha, "beta": beta}
    best = (alpha * law["A"] / (beta * law["B"])) ** (1 / (alpha + beta))
    sizes, tokens = [], []
    for i, flops in enumerate(np.logspace(17, 21, 5)):
        centre = best * (flops / 6) ** (beta / (alpha + beta)) * drift ** (-i / 4)
        sizes.append(centre * np.geomspace(1 / reach, reach, 15))
        tokens.append(flops / 6 / sizes[-1])
    n, d = np.hstack(sizes), np.hstack(tokens)
    design = Points.of(n, d, np.ones_like(n))
    return 100 * profile_bias(law, design, TARGET, method=method, window=None, checked=False).tokens_error


def main():
    print(f"error of D* at {TARGET:.0e} FLOPs, percent (published)")
    print(f"{'surface':<24} {'curve':<9}" + "".join(f"{f'within {r}x':>18}" for r in REACHES))
    for name, alpha, beta, drift, published in ROWS:
        for method in ("parabola", "cubic", "akima"):
            cells = [error(alpha, beta, drift, reach, method) for reach in REACHES]
            known = published if method == "parabola" else (None,) * 4
            shown = [f"{c:+.2f}" + ("" if p is None else f" ({p:+.2f})") for c, p in zip(cells, known, strict=True)]
            print(f"{name:<24} {method:<9}" + "".join(f"{text:>18}" for text in shown))


if __name__ == "__main__":
    main()
