"""Labels and classes of images: files that users write, and rules that assign them."""
