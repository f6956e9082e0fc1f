"""Evaluation of a trained encoder: linear and nearest-neighbour classifiers, other domains.

Read the modules in this order: `run` (a frozen encoder), `features` (the images that it gets and
the features that it gives), `classes` (which classes two sets share), `linear`, `knn`, `ood`.
"""
