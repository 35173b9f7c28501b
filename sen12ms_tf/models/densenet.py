"""DenseNet-BC (Huang et al. 2017), as in torchvision."""

import dataclasses

from keras import layers

from sen12ms_tf.models.blocks import conv, norm_relu, stem

# A bottleneck's 1 x 1 convolution is this many times as wide as the growth.
_BOTTLENECK = 4


@dataclasses.dataclass(frozen=True)
class DenseNetSpec:
    """A depth: dense layers a block, growth rate, channels of the stem."""

    blocks: tuple[int, int, int, int]
    growth: int = 32
    stem: int = 64


DENSENETS = {
    "DenseNet121": DenseNetSpec((6, 12, 24, 16)),
    "DenseNet161": DenseNetSpec((6, 12, 36, 24), growth=48, stem=96),
    "DenseNet169": DenseNetSpec((6, 12, 32, 32)),
    "DenseNet201": DenseNetSpec((6, 12, 48, 32)),
}


def densenet_features(x, spec: DenseNetSpec):
    """[batch, h, w, channels] -> [batch, about h / 32, about w / 32, features]."""
    x = stem(x, spec.stem)
    for block, count in enumerate(spec.blocks, start=1):
        if block > 1:
            x = _transition(x, f"transition{block - 1}")
        for index in range(1, count + 1):
            x = _dense_layer(x, spec.growth, f"block{block}_layer{index}")
    return norm_relu(x, "final")


def _dense_layer(x, growth: int, name: str):
    y = conv(norm_relu(x, f"{name}_1"), _BOTTLENECK * growth, 1, name=f"{name}_conv1")
    y = conv(norm_relu(y, f"{name}_2"), growth, 3, name=f"{name}_conv2")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def _transition(x, name: str):
    x = conv(norm_relu(x, name), x.shape[-1] // 2, 1, name=f"{name}_conv")
    return layers.AveragePooling2D(2, 2, name=f"{name}_pool")(x)
