"""S3 and stores that speak like it: what the rest of texgen needs of them, with retries.

Errors are one line and name no credentials. Nothing here knows of data sets.
"""
