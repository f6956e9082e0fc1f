"""Data sets on the Hugging Face Hub: addresses, the client `huggingface_hub`, and downloads."""
