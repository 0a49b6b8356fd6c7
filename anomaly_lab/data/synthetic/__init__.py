"""An embedded, procedural data set in the layout of MVTec AD, so that everything runs without a download.

It imitates nine of MVTec AD's categories: two regular textures (carpet, grid), three random textures (leather, tile, wood)
and four objects (bottle, hazelnut, metal_nut, pill). `reader` writes a category to disk once; `catalogue` lists the
kinds of defect of each category.
"""
