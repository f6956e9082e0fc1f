"""S3 and stores with the same interface, behind `texgen.storage.store.Store`."""
