"""From raw bands to standardised ones: the one definition for training, evaluation and serving."""

import functools
from collections.abc import Mapping

import keras
import numpy as np


def standardize(sensors: Mapping[str, object], channels: Mapping[str, list[dict]], ops=keras.ops):
    """Clips, standardises and joins the sensors of a batch; missing values become 0, the mean.

    Missing is NaN in S1, and 0 in every S2 band that is given.

    Args:
      sensors: feature -> raw bands [batch, height, width, bands], in the unit of the data set.
      channels: what `bands.normalization` returns, the features in the order of the output.
      ops: where all, cast, clip, concatenate, isnan, logical_and and where come from. `tf.data`
        needs TensorFlow's, whichever backend Keras runs on.

    Returns:
      float32 [batch, height, width, channels].
    """
    images = {feature: ops.cast(sensors[feature], "float32") for feature in channels}
    dark = [
        ops.all(image == 0, axis=-1, keepdims=True)
        for feature, image in images.items()
        if feature != "s1"
    ]
    parts = []
    for feature, rows in channels.items():
        image = images[feature]
        mean, std = (np.array([row[key] for row in rows], np.float32) for key in ("mean", "std"))
        missing = ops.isnan(image) if feature == "s1" else functools.reduce(ops.logical_and, dark)
        if any(row["clip"] for row in rows):
            bounds = np.array([row["clip"] or (-np.inf, np.inf) for row in rows], np.float32)
            image = ops.clip(image, bounds[:, 0], bounds[:, 1])
        # NaN - NaN is NaN under every backend, so the mean is put in last.
        parts.append(ops.where(missing, np.float32(0), (image - mean) * (1 / std)))
    return ops.concatenate(parts, axis=-1)


@keras.saving.register_keras_serializable("sen12ms_tf")
class BandNormalization(keras.layers.Layer):
    """First layer of every model: raw bands in, standardised channels out, always in float32.

    Args:
      channels: feature -> one row a channel, as `bands.normalization` returns them. Saved with the
        layer, so that a model keeps the statistics that it was trained with.
    """

    def __init__(self, channels: Mapping[str, list[dict]], **kwargs):
        # float32 under mixed precision too: in bfloat16 a reflectance of 10,000 has steps of 64.
        # No autocast: it would round S1 before this layer sees it.
        super().__init__(**{"autocast": False, **kwargs, "dtype": "float32"})
        self.channels = {feature: list(rows) for feature, rows in channels.items()}

    def call(self, inputs):
        """Standardises a dict of sensors, see `standardize`."""
        return standardize(inputs, self.channels)

    def compute_output_shape(self, input_shape):
        """The spatial shape of any sensor, with all channels."""
        spatial = next(iter(input_shape.values()))[:-1]
        return (*spatial, sum(len(rows) for rows in self.channels.values()))

    def get_config(self):
        """What rebuilds the layer."""
        return {**super().get_config(), "channels": self.channels}
