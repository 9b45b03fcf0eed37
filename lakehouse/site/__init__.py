"""The static site: pages of the tables and their lineage, from the models alone."""
