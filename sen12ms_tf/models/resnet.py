"""ResNet v1.5 (He et al. 2016; stride in the 3 x 3 convolution), as in torchvision."""

import dataclasses

from keras import layers

from sen12ms_tf.models.blocks import batch_norm, conv, norm_relu, stem


@dataclasses.dataclass(frozen=True)
class ResNetSpec:
    """A depth: residual blocks a stage, and whether a block is a bottleneck of three layers."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


RESNETS = {
    "ResNet18": ResNetSpec((2, 2, 2, 2), bottleneck=False),
    "ResNet34": ResNetSpec((3, 4, 6, 3), bottleneck=False),
    "ResNet50": ResNetSpec((3, 4, 6, 3), bottleneck=True),
    "ResNet101": ResNetSpec((3, 4, 23, 3), bottleneck=True),
    "ResNet152": ResNetSpec((3, 8, 36, 3), bottleneck=True),
}


def resnet_features(x, spec: ResNetSpec):
    """[batch, h, w, channels] -> [batch, about h / 32, about w / 32, 512 or 2048]."""
    block = _bottleneck_block if spec.bottleneck else _basic_block
    x = stem(x, 64)
    for stage, count in enumerate(spec.blocks):
        for index in range(count):
            strides = 2 if stage > 0 and index == 0 else 1
            x = block(x, 64 * 2**stage, strides, f"stage{stage + 1}_block{index + 1}")
    return x


def _basic_block(x, filters: int, strides: int, name: str):
    y = norm_relu(conv(x, filters, 3, strides, f"{name}_conv1"), f"{name}_1")
    y = batch_norm(conv(y, filters, 3, 1, f"{name}_conv2"), f"{name}_2_bn")
    return _add(_shortcut(x, filters, strides, name), y, name)


def _bottleneck_block(x, filters: int, strides: int, name: str):
    y = norm_relu(conv(x, filters, 1, 1, f"{name}_conv1"), f"{name}_1")
    y = norm_relu(conv(y, filters, 3, strides, f"{name}_conv2"), f"{name}_2")
    y = batch_norm(conv(y, 4 * filters, 1, 1, f"{name}_conv3"), f"{name}_3_bn")
    return _add(_shortcut(x, 4 * filters, strides, name), y, name)


def _shortcut(x, filters: int, strides: int, name: str):
    if strides == 1 and x.shape[-1] == filters:
        return x
    return batch_norm(conv(x, filters, 1, strides, f"{name}_shortcut_conv"), f"{name}_shortcut_bn")


def _add(shortcut, y, name: str):
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, y]))
