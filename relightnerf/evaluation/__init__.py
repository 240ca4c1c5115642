"""Scores of rendered pictures against the truth, and reports of them."""
