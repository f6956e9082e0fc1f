"""How this machine reaches others: proxies, trusted certificates, and causes of failures.

Downloads and buckets share these rules. Nothing here knows of data sets or of S3.
"""
