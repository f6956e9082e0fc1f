"""The paper's figures, of runs of one's own: similarities, biases, sweeps, plots, one page."""
