"""From image files to training samples, validation pairs and images to be scored."""
