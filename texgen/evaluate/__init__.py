"""What a trained encoder is worth: linear and nearest-neighbour classifiers, other domains.

Read it in this order: `run` (a frozen encoder), `images` and `features` (what it gets and gives),
`classes` (whose classes are whose), `linear`, `knn`, `ood`.
"""
