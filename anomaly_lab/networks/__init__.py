"""Networks F: the paper's autoencoder, and an encoder of patch features with and without a decoder."""

STRIDE = 8  # every network here has one bottleneck position, or one feature vector, per 8 × 8 pixels of its input
