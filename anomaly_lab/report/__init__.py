"""From runs to tables, figures and a page: python -m anomaly_lab.report runs=DIR

    runs ─ collect ─ groups ─▶ overview, paper, analysis ─▶ tables, plots ─┐
    checkpoints ─ rescoring ─▶ gallery, paper_figures ──────────────────────┴─▶ page

What only reads records starts without torch; only rescoring and what follows it loads networks.
"""
