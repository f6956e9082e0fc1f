"""Images in tars: ILSVRC-2012 and WebDataset."""
