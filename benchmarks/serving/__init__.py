"""Serving side by side with its peers."""
