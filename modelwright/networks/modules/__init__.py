"""The `nn.Module` of each method: torch is imported here, and from here only."""
