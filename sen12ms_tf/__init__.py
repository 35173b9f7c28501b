"""sen12ms_tf: convert, train, evaluate and export on SEN12MS with TensorFlow and Keras.

The names below are loaded when first touched, so that importing the package is cheap and silent.
"""

import importlib

__version__ = "0.1.0"

_ROOM_OF = {
    "build_model": "sen12ms_tf.models",
    "eval_dataset": "sen12ms_tf.pipeline",
    "load_model": "sen12ms_tf.models",
    "read_manifest": "sen12ms_tf.manifest",
    "task": "sen12ms_tf.tasks",
    "train_dataset": "sen12ms_tf.pipeline",
}

__all__ = ["__version__", *_ROOM_OF]


def __getattr__(name: str):
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'sen12ms_tf' has no attribute '{name}'")
    return getattr(importlib.import_module(_ROOM_OF[name]), name)


def __dir__():
    return __all__
