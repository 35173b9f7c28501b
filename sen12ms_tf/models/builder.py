"""One call builds any model of the tables, another loads a saved one."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping

import keras
from keras import layers

from sen12ms_tf.bands import input_features, normalization
from sen12ms_tf.errors import MissingError, UsageError, check_choice
from sen12ms_tf.models.blocks import logits
from sen12ms_tf.models.densenet import DENSENETS, densenet_features
from sen12ms_tf.models.normalization import BandNormalization
from sen12ms_tf.models.resnet import RESNETS, resnet_features
from sen12ms_tf.storage import as_path


@dataclasses.dataclass(frozen=True)
class _Encoder:
    """From standardised channels to features, and the smallest image that has any, pixels."""

    features: Callable
    min_patch_size: int


# The pooling between DenseNet's blocks rounds down: 29 px end in one pixel, 28 px in none.
_ENCODERS = {
    **{
        name: _Encoder(functools.partial(resnet_features, spec=spec), 1)
        for name, spec in RESNETS.items()
    },
    **{
        name: _Encoder(functools.partial(densenet_features, spec=spec), 29)
        for name, spec in DENSENETS.items()
    },
}

MODELS = tuple(_ENCODERS)


def build_model(
    name: str,
    inputs: str,
    num_classes: int,
    patch_size: int | None = None,
    statistics: Mapping[str, Mapping[str, float]] | None = None,
) -> keras.Model:
    """Builds a classifier with new weights, drawn as the published ones were.

    Args:
      name: one of `MODELS`, `ResNet50` for instance.
      inputs: input set: rgb, s2, s1, s1s2, s1rgb or all.
      num_classes: number of logits.
      patch_size: height and width in pixels; None takes images of any size.
      statistics: mean and std of the bands without published ones; see `bands.normalization`.

    Returns:
      A model from a dict of raw bands, {"s2": uint16 [batch, height, width, n], "s1": float32
      [batch, height, width, 2] in dB}, with the keys of the input set, to float32 logits
      [batch, num_classes].

    Raises:
      UsageError: an unknown name, no class, a patch too small for the model, or missing statistics.
    """
    encoder = _ENCODERS[check_choice("model", name, MODELS)]
    if num_classes < 1:
        raise UsageError(f"A model has at least 1 class. Received: num_classes={num_classes}.")
    if patch_size is not None and patch_size < encoder.min_patch_size:
        raise UsageError(
            f"{name} takes patches of at least {encoder.min_patch_size} px. "
            f"Received: patch_size={patch_size}."
        )
    sensors = {
        feature: keras.Input(
            (patch_size, patch_size, len(bands)),
            dtype="float32" if feature == "s1" else "uint16",
            name=feature,
        )
        for feature, bands in input_features(inputs).items()
    }
    x = BandNormalization(normalization(inputs, statistics), name="band_normalization")(sensors)
    x = layers.GlobalAveragePooling2D(name="pool")(encoder.features(x))
    return keras.Model(sensors, logits(x, num_classes), name=name)


def load_model(path: str | os.PathLike) -> keras.Model:
    """Loads a model that `model.save("name.keras")` wrote; runs no code from the file.

    Raises:
      MissingError: no such file.
    """
    # What a compiled model may name: importing them registers them with Keras.
    from sen12ms_tf import metrics, optimizers  # noqa: F401

    if not as_path(path).exists():
        raise MissingError(f"No model at {path}: there is no such file.")
    return keras.saving.load_model(path, safe_mode=True)
