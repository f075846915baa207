"""Published laws of language models, to set a sweep's own beside: exponents with the paper and its counting.

E, A and B depend on tokenizer and validation text and do not compare; exponents do as far as a law is one of language,
where N is counted alike. Each figure is as its paper prints it, and ``a`` is the paper's own, which for a law with both
exponents is β/(α + β) to two digits.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedLaw:
    """One published law.

    Attributes:
        paper: authors and year.
        source: arXiv number and place in the paper.
        counting: which parameters are N: ``total`` or ``non_embedding``; ``None`` where N is counted otherwise.
        counted: that in words.
        alpha, beta: exponents of N and D in L(N, D); ``None`` where the paper gives none.
        floor: E, nats per token of that paper's tokenizer.
        a: exponent of N*(C).
    """

    paper: str
    source: str
    counting: str | None
    counted: str
    alpha: float | None = None
    beta: float | None = None
    floor: float | None = None
    a: float | None = None


PUBLISHED: tuple[PublishedLaw, ...] = (
    PublishedLaw(
        paper="Kaplan et al. 2020",
        source="2001.08361, equations 1.1, 1.2 and 6.1 (by least compute); no floor",
        counting="non_embedding",
        counted="without embeddings",
        alpha=0.076,
        beta=0.095,
        a=0.73,
    ),
    PublishedLaw(
        paper="Hoffmann et al. 2022, approach 1",
        source="2203.15556, table 2",
        counting="total",
        counted="all parameters",
        a=0.50,
    ),
    PublishedLaw(
        paper="Hoffmann et al. 2022, approach 2",
        source="2203.15556, table 2",
        counting="total",
        counted="all parameters",
        a=0.49,
    ),
    PublishedLaw(
        paper="Hoffmann et al. 2022, approach 3",
        source="2203.15556, equation 10 and table 2, rounded there (α 0.3392, β 0.2849, E 1.6934 in its own source)",
        counting="total",
        counted="all parameters",
        alpha=0.34,
        beta=0.28,
        floor=1.69,
        a=0.46,
    ),
    PublishedLaw(
        paper="Muennighoff et al. 2023",
        source="2305.16264, equations 19 and 20, C4; exponents tied",
        counting="total",
        counted="all parameters",
        alpha=0.353,
        beta=0.353,
        floor=1.87,
        a=0.50,
    ),
    PublishedLaw(
        paper="DeepSeek LLM 2024",
        source="2401.02954, formula 4: M* ∝ C^0.5243",
        counting=None,
        counted="FLOPs per token in place of N",
        a=0.524,
    ),
    PublishedLaw(
        paper="Besiroglu et al. 2024",
        source="2404.10102, refit of Hoffmann et al.; a = β/(α + β)",
        counting="total",
        counted="all parameters",
        alpha=0.3478,
        beta=0.3658,
        floor=1.8172,
        a=0.513,
    ),
    PublishedLaw(
        paper="Llama 3 2024",
        source="2407.21783, section 3.2.1: D* ∝ C^0.53, so a is the rest",
        counting=None,
        counted="not stated",
        a=0.47,
    ),
)
