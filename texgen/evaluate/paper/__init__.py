"""The paper's figures for trained runs: similarities, biases, sweeps, plots, one page of all."""
