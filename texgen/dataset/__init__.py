"""What lies in OUT, and how it is read again: plan, records, shards, manifests, index, readers."""
