"""PostgreSQL → bronze: one snapshot for all tables of a run, every value as the text PostgreSQL prints."""
