"""A medallion lake of PostgreSQL data on S3, the same on a laptop as on AWS."""

__version__ = "0.1.0"
