"""Networks from typed rows: arrays, a network, the loop, one graph out."""
