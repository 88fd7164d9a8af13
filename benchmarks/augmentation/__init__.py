"""Augmentation: images per second on one core, and how far boxes and masks are from the analytic transform."""
