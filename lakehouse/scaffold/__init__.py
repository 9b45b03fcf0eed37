"""A project for a database that nobody prepared: look at it, name things, write models, suites and the rest."""
