"""Readers of published data sets, in the layouts in which they are downloaded. A layout of one's own: copy one of them."""
