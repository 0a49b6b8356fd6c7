"""What images look like before any training: findings in words and numbers, and a page with pictures."""
