"""Section 4.2: the threshold, from held-out normal images alone."""
