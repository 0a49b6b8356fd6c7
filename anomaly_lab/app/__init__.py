"""A page to try a run on: python -m anomaly_lab.app run=DIR

    image ─ decide ─▶ Judged ─┬─ words, histogram ─▶ page ─▶ serve, behind guard
    marks on disk ─ marks ────┘

Only `page` imports Gradio. What a page shows is made by the other modules, which know no page.
"""
