"""HTML of the report."""
