"""Groups treated alike: remedies that a recipe asks for with `train: {fair: ...}`."""
