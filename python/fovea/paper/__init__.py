"""The paper's tables and figures beside ours: `fovea paper`. Every number comes from fovea/data/paper; nothing is written here by hand.

    from fovea import paper
    for result in paper.build(["fox-metric"], "runs/paper"):
        print(result.line())
"""

from fovea.paper.build import Result, build
from fovea.paper.items import Item, items, slips

__all__ = ["Item", "Result", "build", "items", "slips"]
