"""Model families as plain arithmetic: sizes, counts, FLOPs and memory, without torch.

A family is one file here (arithmetic) and one in ``scaling.models`` (the torch module), joined by an entry in
``FAMILIES``. Everything that must know a model without building it (the plan, the cost, the analysis) asks here, and
nothing outside these three places asks for a family by its name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from scaling.errors import UsageError
from scaling.families import bert, clip, dalle, dvae, gan, gpt, gpt_memory, jepa, lstm, moe, t5, vit
from scaling.families.contract import (
    NATS_PER_IMAGE,
    NATS_PER_TOKEN,
    Asked,
    Config,
    Contrast,
    Family,
    FlopsPerToken,
    Params,
    Quality,
    StandsOn,
)
from scaling.families.recipe import Recipe

__all__ = [
    "FAMILIES",
    "NATS_PER_IMAGE",
    "NATS_PER_TOKEN",
    "Config",
    "Contrast",
    "Family",
    "FlopsPerToken",
    "Params",
    "Quality",
    "Recipe",
    "StandsOn",
    "get_family",
]

_ACCURACY = {"accuracy": "share of the targets that are likeliest"}
_NEXT_TOKEN = "next token"
_BY_POSITION = {"loss_by_position": "loss at places 1, 2, 3 to 4, 5 to 8, … of a window: what context is worth"}
_SAMPLES = {  # of drawn pictures, as the best possible reader sees them
    "sample_place": "share of captioned figures for which something stands at their place",
    "sample_colour": "share of captioned figures whose place shows their colour",
    "sample_figure": "share of captioned figures whose place shows this figure",
    "sample_scene": "share of drawn pictures that show all that their caption names",
    **{
        f"other_{part}": "the same against another picture's caption" for part in ("place", "colour", "figure", "scene")
    },
}
_GUESSES = {f"sample_{part}": f"other_{part}" for part in ("place", "colour", "figure", "scene")}

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt": Family(
            name="gpt",
            title="decoder-only transformer, next-token prediction",
            module="scaling.models.gpt",
            fields=gpt.FIELDS,
            build_config=gpt.build_config,
            config_for_params=gpt.config_for_params,
            params=gpt.params,
            flops_per_token=gpt.flops_per_token,
            memory_bytes=gpt_memory.memory_bytes,
            objective=_NEXT_TOKEN,
            predicts_next=True,
            stacks=True,
            metrics=_BY_POSITION,
        ),
        "bert": Family(
            name="bert",
            title="encoder-only transformer, masked tokens",
            module="scaling.models.bert",
            fields=bert.FIELDS,
            build_config=bert.build_config,
            config_for_params=bert.config_for_params,
            params=bert.params,
            flops_per_token=bert.flops_per_token,
            memory_bytes=bert.memory_bytes,
            objective="masked token",
            asked=Asked(items=bert.items_asked, flops=bert.flops_asked),
            unit="nats per masked token",
            metrics=_ACCURACY,
        ),
        "lstm": Family(
            name="lstm",
            title="recurrent network (LSTM), next-token prediction",
            module="scaling.models.lstm",
            fields=lstm.FIELDS,
            build_config=lstm.build_config,
            config_for_params=lstm.config_for_params,
            params=lstm.params,
            flops_per_token=lstm.flops_per_token,
            memory_bytes=lstm.memory_bytes,
            objective=_NEXT_TOKEN,
            predicts_next=True,
            metrics=_BY_POSITION,
        ),
        "moe": Family(
            name="moe",
            title="decoder-only transformer with a sparse mixture of experts, next-token prediction",
            module="scaling.models.moe",
            fields=moe.FIELDS,
            build_config=moe.build_config,
            config_for_params=moe.config_for_params,
            params=moe.params,
            flops_per_token=moe.flops_per_token,
            memory_bytes=moe.memory_bytes,
            objective=_NEXT_TOKEN,
            predicts_next=True,
            metrics={**_BY_POSITION, "expert_share": "share of the picks that each expert gets, block by block"},
        ),
        "t5": Family(
            name="t5",
            title="encoder-decoder transformer, span corruption",
            module="scaling.models.t5",
            fields=t5.FIELDS,
            build_config=t5.build_config,
            config_for_params=t5.config_for_params,
            params=t5.params,
            flops_per_token=t5.flops_per_token,
            memory_bytes=t5.memory_bytes,
            objective="span corruption",
            asked=Asked(items=t5.items_asked, flops=t5.flops_asked),
            unit="nats per target token",
            metrics=_ACCURACY,
        ),
        "vit": Family(
            name="vit",
            title="vision transformer, classification; a patch is a token",
            module="scaling.models.vit",
            fields=vit.FIELDS,
            build_config=vit.build_config,
            config_for_params=vit.config_for_params,
            params=vit.params,
            flops_per_token=vit.flops_per_token,
            memory_bytes=vit.memory_bytes,
            objective="label of an image",
            unit=NATS_PER_IMAGE,
            eats="images",
            metrics=_ACCURACY,
        ),
        "clip": Family(
            name="clip",
            title="encoders of pictures and captions, contrastive; a patch or a word is a token",
            module="scaling.models.clip",
            fields=clip.FIELDS,
            build_config=clip.build_config,
            config_for_params=clip.config_for_params,
            params=clip.params,
            flops_per_token=clip.flops_per_token,
            memory_bytes=clip.memory_bytes,
            objective="match of picture and caption",
            unit=f"nats per pair among {clip.CANDIDATES}",
            eats="pairs",
            contrast=Contrast(key=clip.BATCH, candidates=clip.CANDIDATES),
            metrics={
                "recall_caption": f"share of pictures whose best scored caption of {clip.CANDIDATES} is right",
                "recall_picture": f"share of captions whose best scored picture of {clip.CANDIDATES} is right",
                "recall_chance": f"the same for a guess: what of {clip.CANDIDATES} is right, equal captions included",
            },
            floors={"recall_caption": "recall_chance", "recall_picture": "recall_chance"},
        ),
        "gan": Family(
            name="gan",
            title="generator and discriminator, adversarial; a point is a token",
            module="scaling.models.gan",
            fields=gan.FIELDS,
            build_config=gan.build_config,
            config_for_params=gan.config_for_params,
            params=gan.params,
            flops_per_token=gan.flops_per_token,
            memory_bytes=gan.memory_bytes,
            objective="points that a discriminator takes for true, measured by their distance to the known density",
            unit="squared MMD",
            quantity="distance",
            eats="points",
            together=gan.TOGETHER,
            quality=Quality(metric=None, rises=False),
            metrics={
                "true_distance": "the same distance for as many true points: its sampling error, zero on average",
                "clouds_missed": "share of the clouds with less than a tenth of their due: where it has collapsed",
                "off_clouds": "share of generated points that belong to no cloud",
                "discriminator_loss": "of telling true from generated points, in nats; sizes do not compare in it",
                "generator_loss": "of being taken for true; likewise",
            },
        ),
        "jepa": Family(
            name="jepa",
            title="joint-embedding predictor of moving pictures; a patch of two frames is a token",
            module="scaling.models.jepa",
            fields=jepa.FIELDS,
            build_config=jepa.build_config,
            config_for_params=jepa.config_for_params,
            params=jepa.params,
            flops_per_token=jepa.flops_per_token,
            memory_bytes=jepa.memory_bytes,
            objective="what comes next, measured by a linear readout of the state",
            unit="of the state's variance",
            quantity="unexplained share",
            eats="clips",
            together=jepa.TOGETHER,
            whole=True,
            metrics={
                "place_error": "share of the variance of the place that the readout leaves unexplained",
                "velocity_error": "the same of the velocity",
                "patches_place_error": "the same for a readout of every patch's embedding apart",
                "patches_velocity_error": "the same of the velocity",
                "pixels_place_error": "the same for a readout of the pixels themselves, without a model",
                "pixels_velocity_error": "the same of the velocity",
                "best_place_error": "the same for the best estimate there is, from the pixels and the law of the noise",
                "best_velocity_error": "the same of the velocity",
                "guess_error": "the same for a guess, which is the mean",
                "training_loss": "squared error of what is told of the next frames; sizes do not compare in it",
                "embedding_spread": "standard deviation of the embedding over clips: near zero, it has collapsed",
                "embedding_rank": "effective number of its independent directions",
            },
            floors={"place_error": "pixels_place_error", "velocity_error": "pixels_velocity_error"},
            ceilings={"place_error": "best_place_error", "velocity_error": "best_velocity_error"},
        ),
        "dvae": Family(
            name="dvae",
            title="discrete VAE of patches: the first stage of dalle",
            module="scaling.models.dvae",
            fields=dvae.FIELDS,
            build_config=dvae.build_config,
            config_for_params=dvae.config_for_params,
            params=dvae.params,
            flops_per_token=dvae.flops_per_token,
            memory_bytes=dvae.memory_bytes,
            objective="code length of an image",
            unit=NATS_PER_IMAGE,
            eats="pairs",
            metrics={"code_share": "share of the patches that have each code", **_SAMPLES},
            floors=_GUESSES,
        ),
        "dalle": Family(
            name="dalle",
            title="discrete VAE and decoder over words and codes; a word or a patch is a token",
            module="scaling.models.dalle",
            fields=dalle.FIELDS,
            build_config=dalle.build_config,
            config_for_params=dalle.config_for_params,
            params=dalle.params,
            flops_per_token=dalle.flops_per_token,
            memory_bytes=dalle.memory_bytes,
            objective="next word or code of a patch",
            eats="pairs",
            stands_on=StandsOn(family="dvae", keys=("codes",)),
            metrics={
                "loss_text": "nats per word of the caption",
                "loss_image": "nats per code of the picture, given its caption",
                **_SAMPLES,
                "rebuilt_scene": "the same of pictures made of their true codes: the best that can be drawn with them",
            },
            floors=_GUESSES,
            ceilings={"sample_scene": "rebuilt_scene"},
            quality=Quality(metric="sample_scene"),
        ),
    }
)


def get_family(name: str) -> Family:
    """Return a family by name. Raises ``UsageError`` that lists the known ones."""
    if name not in FAMILIES:
        raise UsageError(
            "family.unknown",
            f"unknown model family {name!r}",
            hint=f"known families: {', '.join(FAMILIES)}",
        )
    return FAMILIES[name]
