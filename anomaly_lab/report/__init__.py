"""From runs to tables, pictures and one page: python -m anomaly_lab.report runs=DIR

    records ─ read/ ─▶ Records ─ tables/ ─▶ tables/*.md, *.tex, *.csv ─┐
                          └──── pictures/plots ─▶ figures/*.png, *.svg ─┼─▶ report.html
    checkpoints, images ─ pictures/rescored ─▶ thumbnails, paper_figures ─┘

Tables and plots need records only, so they start without torch. Only `rescored` and its users load networks.
"""
