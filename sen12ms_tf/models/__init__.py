"""Keras classifiers that take raw bands and return logits. Pure Keras 3: no TensorFlow in here."""

from sen12ms_tf.models.builder import MODELS, build_model, load_model
from sen12ms_tf.models.normalization import BandNormalization, standardize

__all__ = ["MODELS", "BandNormalization", "build_model", "load_model", "standardize"]
