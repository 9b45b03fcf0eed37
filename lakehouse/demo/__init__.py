"""The sample: a real retailer's year, packed as a dump, played for two days."""
