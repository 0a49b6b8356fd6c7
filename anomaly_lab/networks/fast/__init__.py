"""Faster or smaller ways to compute the same: convolution gradients, folding for inference, recomputed activations."""
