"""An embedded, procedural data set in the layout of MVTec AD, so that everything runs without a download.

Nine of MVTec AD's categories are imitated: two regular textures (carpet, grid), three random ones (leather,
tile, wood) and four objects. `ensure` writes a category to disk once;
`catalogue` says what can be wrong with it.
"""

from anomaly_lab.data.synthetic.catalogue import CATALOGUE
from anomaly_lab.data.synthetic.write import VERSION, Counts, ensure

CATEGORIES: tuple[str, ...] = tuple(CATALOGUE)

__all__ = ["CATEGORIES", "VERSION", "Counts", "ensure"]
