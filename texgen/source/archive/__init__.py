"""What all archives of images have in common, whether they are tars or Parquet files."""
