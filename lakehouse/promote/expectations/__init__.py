"""Great Expectations on DuckDB: its SQL engine taught to speak to the connection that a promotion already holds.

Everything below imports Great Expectations at its top, which takes seconds; import it inside functions only.
"""
