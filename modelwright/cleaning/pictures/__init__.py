"""Pictures: blurred, dark, over-exposed, flat, tiny, turned and repeated ones; and repairs beside the original."""
