"""What all archives of images have in common, tars and Parquet files alike."""
