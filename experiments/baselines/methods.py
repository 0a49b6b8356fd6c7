"""The methods that the study compares, and where the paper's tables have them."""

# the lab's networks at the ports' size, scored by the plain error as in the paper
SIZES = ["image_size=256", "data.train_size=128", "scoring.sigma=4"]
PLAIN = [*SIZES, "scoring.evidence=squared"]
PORTS = (
    "ae_l2", "ae_ssim", "vae", "cavga", "vae_projection", "completion", "riad", "intra", "anogan", "cnnfd",
    "texture_inspection", "cutpaste", "nsa", "fair",
)  # fmt: skip
METHODS: dict[str, list[str]] = {
    "restore": ["model=sdc_quarter", *PLAIN],  # the paper's objective (1)
    "segment": ["model=segment", *SIZES],  # the ablation of section 4.4
    "filtering": ["model=filtering", *PLAIN],
    "later": ["model=later", *PLAIN],
    "default": ["model=sdc_quarter"],  # the lab's: at its own size, with its own evidence
    "knn": ["model=knn"],
    "fused": ["model=fused"],
    "patch_ae": ["model=patch_ae"],
    **{name: [f"model={name}"] for name in PORTS},
}
# these see a whole object at once, as their authors did; textures, and objects of several sizes, are cut into tiles
WHOLE = {"ae_l2", "ae_ssim", "vae", "cavga", "vae_projection", "anogan"}
OBJECTS = {"screw_512"}  # of one size; hazelnut_toy and magnetic_tile have several
# the paper's column → the port; none stands for table 3's VAE (Liu et al. [11])
COLUMNS = {
    "AE_SSIM": "ae_ssim",
    "AE_L2": "ae_l2",
    "AnoGAN": "anogan",
    "CNNFD": "cnnfd",
    "TI": "texture_inspection",
    "CAVGA-D_u": "cavga",
    "LSR": "vae_projection",
    "CutPaste": "cutpaste",
    "InTra": "intra",
    "Bauer (paper)": "restore",
}
# a set of the study → the category of MVTec AD that the paper's rows are about
MINIATURES = {"grid_mini": "grid", "screw_512": "screw", "hazelnut_toy": "hazelnut", "carpet": "carpet", "leather": "leather"}
SETS = ("grid_mini", "hazelnut_toy", "aitex_fabric_01", "aitex_fabric_03", "magnetic_tile", "screw_512")
EMBEDDED = ("carpet", "leather")  # of the embedded data set, generated


def overrides(method: str, name: str) -> list[str]:
    """What the training command gets for a method on a set."""
    return [*METHODS[method], *(["data.train_size=0"] if method in WHOLE and name in OBJECTS else [])]
