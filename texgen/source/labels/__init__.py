"""Labels and classes of images: files that people bring, and rules that assign them."""
