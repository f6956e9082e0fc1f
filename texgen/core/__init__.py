"""What every other package stands on: types, errors, seeds, keys, limits. It reads no data set."""
