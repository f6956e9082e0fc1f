"""Sources of images in folders."""
