"""The catalog: Iceberg tables and bronze partitions in AWS Glue, and the types in between."""
