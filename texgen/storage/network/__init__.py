"""How this machine reaches others: its proxies, the certificates it trusts, and what went wrong.

Downloads and buckets share these rules. Nothing here knows of data sets or of S3.
"""
