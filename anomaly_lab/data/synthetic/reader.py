"""The reader of data=synthetic: the embedded images, generated where they are missing."""

from pathlib import Path

from anomaly_lab.data.folder import Category, scan
from anomaly_lab.data.synthetic.write import ensure
from anomaly_lab.progress import bar


def read(root: Path, category: str, need_training: bool = True) -> Category:
    """The files of an embedded category below `root`, generated on first use. UserError for an unknown category."""
    with bar(f"Generating {category}") as update:
        folder = ensure(root, category, update).parent
    return scan(folder, category, need_training=need_training)
