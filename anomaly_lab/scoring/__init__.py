"""Sections 3.1 and 4.2: from an image X and its reconstruction F(X) to a heatmap and an anomaly score."""
