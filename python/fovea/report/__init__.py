"""Reports: `fovea report RUN...` and write_report(folders, out)."""

from fovea.report.page import write_report

__all__ = ["write_report"]
