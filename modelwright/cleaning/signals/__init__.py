"""Series: gaps, stuck sensors, spikes, times that repeat or jump, and noise of several kinds."""
