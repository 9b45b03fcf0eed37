import re
from pathlib import Path

from lakehouse.model import load_graph
from lakehouse.project import load_project
from lakehouse.site.build import build_site
from lakehouse.site.lineage import column_lineage
from tests.browser import open_browser

ROOT = Path(__file__).parents[3]


def test_every_link_of_the_samples_site_leads_somewhere(tmp_path: Path) -> None:
    pages = build_site(load_project(ROOT, {}), tmp_path)
    assert len(pages) == len(load_graph(ROOT).models) + 1
    for page in pages:
        for href in re.findall(r'<a href="([^"]+)"', page.read_text()):
            path, _, anchor = href.partition("#")
            found = (page.parent / path).resolve()
            assert found.is_file(), (page, href)
            assert not anchor or f'id="{anchor}"' in found.read_text(), (page, href)


def test_every_gold_column_with_a_source_reaches_bronze() -> None:
    lineage = column_lineage(load_graph(ROOT))

    def origins(column: tuple[str, str]) -> set[str]:
        return {column[0].split(".")[0]} | {o for source in lineage.get(column, ()) for o in origins(source)}

    gold = [c for c in lineage if c[0].startswith("gold.") and lineage[c]]
    assert gold
    assert [c for c in gold if "bronze" not in origins(c)] == []


def test_search_finds_a_table_and_the_console_is_quiet(tmp_path: Path) -> None:
    index = build_site(load_project(ROOT, {}), tmp_path)[0]
    with open_browser(width=390) as browser:
        browser.get(index.as_uri())
        browser.find_element("id", "search").send_keys("gold.customer_value")
        shown = [a.text for a in browser.find_elements("css selector", "#tables tr:not([hidden]) a")]
        browser.find_element("link text", "gold.customer_value").click()
        assert browser.title == "gold.customer_value"
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert shown == ["gold.customer_value"]
