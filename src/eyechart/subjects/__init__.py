"""Who is examined: models, baselines and the built-in subject."""
