"""Tune chosen components of a subject, and prove what changed."""
