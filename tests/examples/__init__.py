"""Tests of what users copy from docs/examples."""
