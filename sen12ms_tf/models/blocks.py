"""What the model families share, as torchvision does it: initialisation, padding, BatchNorm."""

import keras
from keras import layers

# torch counts the momentum from the other side: its 0.1 is 0.9 here.
_BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def he_normal() -> keras.initializers.Initializer:
    """He normal over the fan in, untruncated, as the published classifiers were initialised."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def conv(x, filters: int, size: int, strides: int = 1, name: str | None = None):
    """A convolution without bias, padded by size // 2 on every side.

    `same` pads an even image of a strided convolution on one side only, so there the padding is a
    layer of its own; elsewhere `same` is the same and saves a copy of the image.
    """
    if strides > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    padding = "valid" if strides > 1 else "same"
    return layers.Conv2D(
        filters,
        size,
        strides,
        padding,
        use_bias=False,
        kernel_initializer=he_normal(),
        name=name,
    )(x)


def norm_relu(x, name: str):
    """BatchNorm, then ReLU."""
    return layers.ReLU(name=f"{name}_relu")(batch_norm(x, f"{name}_bn"))


def batch_norm(x, name: str):
    """BatchNorm with torch's epsilon and momentum."""
    return layers.BatchNormalization(**_BATCH_NORM, name=name)(x)


def stem(x, filters: int):
    """7 x 7 convolution and 3 x 3 max pooling, each of stride 2: [h, w] -> about [h / 4, w / 4]."""
    x = norm_relu(conv(x, filters, 7, 2, name="stem_conv"), "stem")
    # After a ReLU padding with 0 pools like padding with minus infinity.
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def logits(features, num_classes: int):
    """Linear classifier in float32, also under mixed precision; bias drawn as torch draws it."""
    bound = features.shape[-1] ** -0.5
    return layers.Dense(
        num_classes,
        kernel_initializer=he_normal(),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        dtype="float32",
        name="logits",
    )(features)
