"""The corpus in a sweep file, and as a trial must find it again."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from scaling.spec.fields import Part, Seed, Whole


class MarkovSpec(Part):
    """A made-up language of known entropy: each token depends on the ``order`` tokens before it.

    Attributes:
        order: tokens that the next one depends on.
        symbols: size of the vocabulary; their frequencies follow Zipf's law.
        successors: likely next tokens of each context.
        noise: share of tokens drawn regardless of the context.
        tokens: length of the training text.
        seed: of the language and its text.
    """

    order: Literal[1, 2] = 2
    symbols: Annotated[Whole, Field(ge=2, le=256)] = 64
    successors: Whole = 4
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1
    tokens: Whole = 8_000_000
    seed: Seed = 0


class GrammarSpec(Part):
    """A made-up language of known entropy: sentences of ``2 ** depth`` tokens from an unambiguous grammar.

    Attributes:
        depth: levels of the tree; each symbol of a level expands to two of the level below.
        symbols: size of the vocabulary, the same at every level.
        rules: expansions of each symbol; their frequencies follow Zipf's law.
        tokens: length of the training text.
        seed: of the language and its text.
    """

    depth: Annotated[Whole, Field(le=12)] = 4
    symbols: Annotated[Whole, Field(ge=2, le=256)] = 32
    rules: Whole = 8
    tokens: Whole = 8_000_000
    seed: Seed = 0


class MelodySpec(Part):
    """Melodies of known entropy: tunes with a key, bars that repeat others, and notes of its scale.

    Attributes:
        bars: of a tune, each of eight quavers; the last one is the tonic. A tune has ``1 + 9 * bars`` tokens.
        keys: in which tunes stand: C, C minor, C sharp, C sharp minor, and so on.
        repeats: how likely a middle bar repeats an earlier one.
        rests: share of notes that are rests.
        tokens: length of all training tunes.
        seed: of the tunes.
    """

    bars: Annotated[Whole, Field(ge=2, le=8)] = 7
    keys: Annotated[Whole, Field(le=24)] = 24
    repeats: Annotated[float, Field(ge=0, le=0.9)] = 0.4
    rests: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    tokens: Whole = 8_000_000
    seed: Seed = 0


VALIDITY = "validity"
CHECKED: Mapping[str, str] = {  # what is measured of texts that a model writes, where their source can check them
    VALIDITY: "share of sampled texts that the source's rules find valid",
    "uniqueness": "share of different ones among the valid",
}


class SmilesSpec(Part):
    """Molecules as SMILES strings from a grammar; a validity check of its own judges those that a model writes.

    Attributes:
        atoms: heavy atoms of a molecule, at most; their number is drawn.
        longest: characters of a molecule, at most.
        tokens: length of all molecules, those of validation included.
        seed: of the molecules.
    """

    atoms: Annotated[Whole, Field(ge=2, le=64)] = 14
    longest: Annotated[Whole, Field(ge=8, le=512)] = 40
    tokens: Whole = 2_000_000
    seed: Seed = 0


class ShapesSpec(Part):
    """Drawn pictures of known Bayes error: one figure each, at any of many sizes, angles and places, under noise.

    Attributes:
        classes: figures to tell apart, from disc, ring, square, frame, triangle, plus, bar, ell, tee, half.
        side: of a picture, in pixels.
        jitter: how far a figure may be moved from the middle, in pixels, across and down.
        noise: standard deviation of a pixel, in units of the contrast between figure and ground.
        specks: share of pixels of any grey.
        wrong_labels: share of labels that name another class.
        images: training pictures.
        seed: of the pictures.
    """

    classes: Annotated[Whole, Field(ge=2, le=10)] = 10
    side: Annotated[Whole, Field(ge=8, le=64)] = 16
    jitter: Annotated[int, Field(ge=0, le=8)] = 3
    noise: Annotated[float, Field(ge=0.05, le=4)] = 0.5
    specks: Annotated[float, Field(ge=0.01, le=1)] = 0.02
    wrong_labels: Annotated[float, Field(gt=0, lt=1)] = 0.05
    images: Whole = 131_072
    seed: Seed = 0


class ScenesSpec(Part):
    """Drawn pictures with captions: coloured figures, each in a quarter of the picture, under noise of known law.

    Attributes:
        objects: figures in a scene, in as many different quarters; each takes four words of the caption.
        figures: figures that there are, from disc, ring, square, frame, triangle, plus, bar, ell, tee, half.
        colours: colours that there are, from red, green, blue, yellow, white, cyan, magenta.
        angles: at which a figure may stand, in steps of an eighth of a turn.
        side: of a picture, in pixels.
        jitter: how far a figure may be moved from the middle of its quarter, in pixels, across and down.
        noise: standard deviation of a channel of a pixel, in units of the contrast between figure and ground.
        specks: share of them that show anything.
        pairs: training pictures, each with its caption.
        seed: of the scenes.
    """

    objects: Annotated[Whole, Field(le=4)] = 2
    figures: Annotated[Whole, Field(ge=2, le=10)] = 6
    colours: Annotated[Whole, Field(le=7)] = 4
    angles: Annotated[Whole, Field(le=8)] = 8
    side: Annotated[Whole, Field(ge=16, le=64, multiple_of=2)] = 24
    jitter: Annotated[int, Field(ge=0, le=8)] = 1
    noise: Annotated[float, Field(ge=0.05, le=4)] = 0.5
    specks: Annotated[float, Field(ge=0.01, le=1)] = 0.02
    pairs: Whole = 65_536
    seed: Seed = 0


class MovingSpec(Part):
    """Clips of four frames with a known state: one figure that flies straight, at any place and speed, under noise.

    Attributes:
        figures: that may fly, from disc, ring, square, frame, triangle, plus, bar, ell, tee, half; each in four angles.
        side: of a frame, in pixels.
        speed: the most pixels that a figure moves from a frame to the next, across and down.
        noise: standard deviation of a pixel, in units of the contrast between figure and ground.
        specks: share of pixels of any grey.
        clips: training clips.
        seed: of the clips.
    """

    figures: Annotated[Whole, Field(le=10)] = 4
    side: Annotated[Whole, Field(ge=8, le=24)] = 16
    speed: Annotated[Whole, Field(le=4)] = 2
    noise: Annotated[float, Field(ge=0.05, le=4)] = 0.5
    specks: Annotated[float, Field(ge=0.01, le=1)] = 0.02
    clips: Whole = 65_536
    seed: Seed = 0


class PointsSpec(Part):
    """Points of the plane from a known density: round clouds on a square grid, each as likely.

    Attributes:
        across: clouds in a row of the grid, and down it.
        deviation: standard deviation of a cloud; the grid reaches from -2 to 2.
        points: training points.
        seed: of the points.
    """

    across: Annotated[Whole, Field(le=16)] = 5
    deviation: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    points: Whole = 1_000_000
    seed: Seed = 0


class DataSpec(Part):
    """Where tokens come from.

    Attributes:
        source: a corpus that needs no file: ``python-stdlib``; ``python-installed``, every source file of this
            Python and its packages; ``markov`` and ``grammar``, languages of known entropy; ``huggingface``, the
            dataset that ``dataset`` names; ``melodies``, tunes of known entropy; ``smiles``, molecules of which
            validity can be checked; ``shapes``, drawn pictures of known Bayes error; ``scenes``, drawn pictures with
            captions; ``moving``, clips of known state; ``points`` of a known density. Ignored when ``path`` is given.
        path: own text or tokens: a file, a folder or a glob; or a list of them; ``.gz`` and ``.zst`` are unpacked.
        format: of those files; ``auto`` goes by their names: ``.jsonl``, ``.parquet``, ``.bin`` (tokens), else text.
        field: the column of JSONL, Parquet or a dataset that holds the text.
        validation_path: own validation text or tokens; without it a tenth of the documents is held out by hash.
        dataset: name of a Hugging Face dataset, or its folder.
        subset: configuration of that dataset.
        split: split of that dataset.
        revision: commit, tag or branch of that dataset.
        max_bytes: read no more text than this.
        tokenizer: ``bytes``; ``bpe``, trained on the training text; ``tiktoken:NAME``, ``tiktoken:FILE.tiktoken``;
            ``hf:NAME``, ``hf:FILE.json``.
        vocab_size: tokens of ``bpe`` (8,192 by default); of token files without a tokenizer.
        context: tokens in a window; of pictures: patches in a picture, each a token; of pairs: patches and words; of
            clips: patches of the first two frames and of the next two; of points: 1.
        validation_tokens: size of the fixed validation set, chosen by hash of the document.
        markov: settings of ``source: markov``.
        grammar: settings of ``source: grammar``.
        melodies: settings of ``source: melodies``.
        smiles: settings of ``source: smiles``.
        shapes: settings of ``source: shapes``.
        scenes: settings of ``source: scenes``.
        moving: settings of ``source: moving``.
        points: settings of ``source: points``.
    """

    source: Literal[
        "python-stdlib",
        "python-installed",
        "markov",
        "grammar",
        "huggingface",
        "melodies",
        "smiles",
        "shapes",
        "scenes",
        "moving",
        "points",
    ] = "python-stdlib"
    path: str | list[str] | None = None
    format: Literal["auto", "text", "jsonl", "parquet", "tokens"] = "auto"
    field: str = "text"
    validation_path: str | list[str] | None = None
    dataset: str | None = None
    subset: str | None = None
    split: str = "train"
    revision: str | None = None
    max_bytes: Whole | None = None
    tokenizer: str = "bytes"
    vocab_size: Annotated[Whole, Field(ge=2, le=2**31)] | None = None
    context: Whole = 128
    validation_tokens: Whole = 65_536
    markov: MarkovSpec = MarkovSpec()
    grammar: GrammarSpec = GrammarSpec()
    melodies: MelodySpec = MelodySpec()
    smiles: SmilesSpec = SmilesSpec()
    shapes: ShapesSpec = ShapesSpec()
    scenes: ScenesSpec = ScenesSpec()
    moving: MovingSpec = MovingSpec()
    points: PointsSpec = PointsSpec()


class DataIdentity(Part):
    """The corpus as the trial must find it again. Made by ``scaling.data``; part of every trial id.

    Attributes:
        source: what it is called: ``python-stdlib-3.11.7``, ``path``, ``markov`` …
        fingerprint: sha256 of the training tokens in order.
        validation_fingerprint: sha256 of the validation windows.
        tokenizer: ``ascii`` (7-bit corpus, 128 tokens), ``bytes`` (256), or kind and hash: ``bpe-1f2e…``.
        vocab_size: tokens in the vocabulary.
        train_tokens: distinct training tokens available.
        validation_tokens: tokens predicted in one evaluation.
        validation_bytes: bytes those tokens stand for; ``None`` for tokens whose text is not known.
        context: tokens in a window.
        entropy_nats: of a made-up language: the exact conditional entropy of a token, given those before it in a
            window of this context; no model can do better on average.
        validation_entropy_nats: the loss of the language itself on the validation windows.
        kind: what a row holds, for the families that eat it: ``tokens``; ``images``: the pixels of a picture, patch by
            patch, then its label: a patch is a token, ``vocab_size`` the number of labels; ``pairs``: the patches of
            a picture, then the words of its caption: patches and words are tokens, ``vocab_size`` counts the words;
            ``clips``: the patches of two frames, those of the next two, and the state that is known; ``points``: the
            coordinates of one, which is a token.
        shape: what a model must know of rows that are not tokens; it goes into the model's keys.
        row_values: numbers in a row that is not ``context + 1`` tokens.
        entropy_unit: of the two entropies: per token, or per image for the loss of the best classifier there is.
        entropy_se_nats: standard error of ``entropy_nats`` where it is an average over the validation pictures.
        best_accuracy: accuracy of the best classifier there is on the validation pictures.
    """

    source: str
    fingerprint: str
    validation_fingerprint: str
    tokenizer: str
    vocab_size: int
    train_tokens: int
    validation_tokens: int
    validation_bytes: int | None
    context: int
    entropy_nats: float | None = None
    validation_entropy_nats: float | None = None
    kind: Literal["tokens", "images", "pairs", "clips", "points"] = "tokens"
    shape: Mapping[str, int] = {}  # pydantic copies defaults
    row_values: int | None = None
    entropy_unit: str = "nats per token"
    entropy_se_nats: float | None = None
    best_accuracy: float | None = None

    def hashed(self) -> dict[str, Any]:
        """Return what identifies the corpus: what only follows from it, such as its entropy, is left out."""
        left_out = {"entropy_nats", "validation_entropy_nats", "entropy_unit", "entropy_se_nats", "best_accuracy"}
        if self.kind == "tokens":  # trials from before there were other kinds keep their ids
            left_out |= {"kind", "shape", "row_values"}
        return self.model_dump(mode="json", exclude=left_out)
