"""A run in steps that a scheduler starts: each a process of its own, anywhere; what they share lies in the lake."""
