"""Write the site: one page for each table and a first page that searches them; no network, no build chain."""

from __future__ import annotations

from pathlib import Path

from lakehouse.model import Model, load_graph
from lakehouse.project import Project
from lakehouse.promote.suites import load_suite
from lakehouse.site.lineage import column_lineage


def build_site(project: Project, target: Path) -> list[Path]:
    """Write the pages under `target`, over those of an earlier build, and return their paths.

    Raises:
        ModelError: a model that does not parse or a column that cannot be traced.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("lakehouse.site"), autoescape=True, undefined=StrictUndefined)
    graph = load_graph(project.root)
    lineage = column_lineage(graph)
    models = list(graph.models.values())
    known = {str(m.name) for m in models}
    written = [_write(target / "index.html", pages.get_template("index.html").render(models=models, root="."))]
    for model in models:
        name = str(model.name)
        text = pages.get_template("table.html").render(
            model=model,
            root="..",
            known=known,
            columns={column: sources for (table, column), sources in lineage.items() if table == name},
            readers=[str(m.name) for m in models if name in m.reads],
            expectations=_expectations(project, model),
        )
        written.append(_write(target / "tables" / f"{name}.html", text))
    return written


def _expectations(project: Project, model: Model) -> list[tuple[str, str]]:
    path = project.root / "expectations" / model.name.layer / f"{model.name.table}.json"
    if not path.exists():
        return []
    return [(e.type, ", ".join(e.columns)) for e in load_suite(path, model.name).expectations]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
