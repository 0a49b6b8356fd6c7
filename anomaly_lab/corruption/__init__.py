"""Section 3.2: from a normal image X to the corrupted input X̂ and the mask M of the change."""
