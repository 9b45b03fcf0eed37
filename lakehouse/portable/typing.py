"""The types of a query's columns and expressions, found bottom-up; what differs on DuckDB is noted on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from lakehouse.portable.types import BIGINT, BOOLEAN, UNKNOWN, Refused, Type, common_type

Columns = list[tuple[str, Type]]
Build = Callable[[exp.Expr], exp.Expr]
Rule = Callable[["Typing", exp.Expr, Scope], Type]
RULES: dict[type[exp.Expr], Rule] = {}
# The name of "any other column" in a table whose columns are not listed: bronze before it was made, all text.
OPEN = "*"
R = TypeVar("R", bound=Callable[..., Type])


def rule(*kinds: type[exp.Expr]) -> Callable[[R], R]:
    """Register a function as what gives expressions of `kinds` their type."""

    def register(function: R) -> R:
        for kind in kinds:
            RULES[kind] = cast(Rule, function)
        return function

    return register


class Typing:
    """One query: its scopes, what each expression is, and what has to be written otherwise."""

    def __init__(self, tree: exp.Expr, tables: Mapping[str, Mapping[str, Type]], *, wide: bool = False) -> None:
        self.tables, self.wide = tables, wide
        root = build_scope(tree)
        if root is None:
            raise Refused("is not a query · write one SELECT", tree)
        self.root = root
        self.scopes = {id(s.expression): s for s in root.traverse()}
        self.rewrites: dict[int, list[Build]] = {}
        self._types: dict[int, Type] = {}
        self._columns: dict[int, Columns] = {}
        self._open: set[int] = set()

    def type(self, node: exp.Expr, scope: Scope) -> Type:
        """What `node` is on Athena.

        Raises:
            Refused: its meaning is not established.
        """
        if id(node) not in self._types:
            found = RULES.get(type(node))
            if found is None:
                raise Refused(f"{node.sql('trino')[:80]} · has no meaning established on both engines", node)
            self._types[id(node)] = found(self, node, scope)
        return self._types[id(node)]

    def want(self, node: exp.Expr, kind: Type, scope: Scope, place: str) -> None:
        found = self.type(node, scope)
        if found not in (kind, UNKNOWN):
            raise Refused(f"{place} is {found} · Athena wants {kind} · write a comparison or a CAST", node)

    def rewrite(self, node: exp.Expr, build: Build) -> None:
        """Write what `build` makes of `node`, whose children are by then written."""
        self.rewrites.setdefault(id(node), []).append(build)

    def query_type(self, node: exp.Expr, scope: Scope) -> Type:
        """What a query in an expression gives: its column, or a row of them."""
        inner = self.scopes.get(id(node.unnest() if isinstance(node, exp.Subquery) else node))
        if inner is None:
            raise Refused("a query inside an expression that could not be understood", node)
        columns = self.columns(inner)
        if len(columns) == 1:
            return columns[0][1]
        return Type("row", items=tuple(t for _, t in columns), fields=tuple(n for n, _ in columns))

    # What a query returns ------------------------------------------------------------------------------------------

    def columns(self, scope: Scope) -> Columns:
        """The columns of a query, with their types."""
        node, key = scope.expression, id(scope.expression)
        if key in self._columns:
            return self._columns[key]
        if key in self._open:
            return self._recursive(scope)
        self._open.add(key)
        found = self._columns_of(node, scope)
        self._open.discard(key)
        names = cte_names(node)
        if names:
            found = [(n, t) for n, (_, t) in zip(names, found, strict=False)]
        self._columns[key] = found
        return found

    def _columns_of(self, node: exp.Expr, scope: Scope) -> Columns:
        if isinstance(node, exp.SetOperation):
            return self._merged(node)
        if isinstance(node, exp.Select):
            return self._selected(node, scope)
        if isinstance(node, exp.Unnest | exp.Values | exp.Lateral):
            select = node.find_ancestor(exp.Select)
            return self._relation(node, self.scopes.get(id(select)) or scope.parent or scope)
        if isinstance(node, exp.Subquery):
            return self.columns(self.scopes[id(node.unnest())])
        raise Refused(f"{type(node).__name__.upper()} · is not a query both engines read alike", node)

    def _recursive(self, scope: Scope) -> Columns:
        node = scope.expression
        if not isinstance(node, exp.SetOperation):
            raise Refused("a reference of a query to itself", node)
        first = self.columns(self.scopes[id(bare(node.this))])
        names = cte_names(node) or [n for n, _ in first]
        return [(n, t) for n, (_, t) in zip(names, first, strict=False)]

    def _merged(self, node: exp.SetOperation) -> Columns:
        left, right = (self.columns(self.scopes[id(bare(side))]) for side in (node.this, node.expression))
        if len(left) != len(right):
            raise Refused(f"the sides have {len(left)} and {len(right)} columns", node)
        place = f"the sides of {type(node).__name__.upper()}"
        return [(n, common_type((t, u), place, node)) for (n, t), (_, u) in zip(left, right, strict=True)]

    def _selected(self, node: exp.Select, scope: Scope) -> Columns:
        found: Columns = []
        for item in node.expressions:
            star = item.this if isinstance(item, exp.Column) else item
            if not isinstance(star, exp.Star):
                found.append((output_name(item) or f"_col{len(found)}", self.type(item, scope)))
                continue
            if any(star.args.get(k) for k in ("except_", "except", "replace", "rename")):
                raise Refused("* EXCLUDE and REPLACE are not Athena's SQL · name the columns", item)
            wanted = item.table.lower() if isinstance(item, exp.Column) else ""
            if not wanted and any(j.args.get("using") for j in node.args.get("joins") or []):
                raise Refused("SELECT * over JOIN … USING has other columns on each engine · name them", item)
            for alias in aliases(node):
                if wanted in ("", alias):
                    found += self.source_columns(scope, alias, item)
        return found

    # Where a column comes from -------------------------------------------------------------------------------------

    def source_columns(self, scope: Scope, alias: str, node: exp.Expr) -> Columns:
        source = source_of(scope, alias)
        if isinstance(source, Scope):
            found, names = self.columns(source), renamed(scope, alias)
        elif isinstance(source, exp.Table):
            found, names = self._table(source), [c.lower() for c in source.alias_column_names]
        elif source is not None:
            return self._relation(source, scope)
        else:
            raise Refused(f"{alias} · is not among the tables of this FROM", node)
        return [(n, t) for n, (_, t) in zip(names, found, strict=False)] if names else found

    def _table(self, table: exp.Table) -> Columns:
        name = ".".join(p for p in (table.db.lower(), table.name.lower()) if p)
        if name not in self.tables:
            raise Refused(
                f"{name} · is no table whose columns are known · it has: {', '.join(sorted(self.tables))}", table
            )
        return list(self.tables[name].items())

    def _relation(self, node: exp.Expr, scope: Scope) -> Columns:
        if isinstance(node, exp.Lateral):
            return self._relation(node.this, scope)
        if isinstance(node, exp.Subquery):
            return self.columns(self.scopes[id(node.unnest())])
        if isinstance(node, exp.Unnest):
            kinds = self._unnested(node, scope)
        elif isinstance(node, exp.Values):
            rows = [r.expressions if isinstance(r, exp.Tuple) else [r.unnest()] for r in node.expressions]
            kinds = [common_type((self.type(r[i], scope) for r in rows), "VALUES", node) for i in range(len(rows[0]))]
        else:
            raise Refused(f"{node.sql('trino')[:80]} · is not a relation both engines read alike", node)
        names = [n.lower() for n in node.alias_column_names]
        return list(zip(names or [f"_col{i}" for i in range(len(kinds))], kinds, strict=False))

    def _unnested(self, node: exp.Unnest, scope: Scope) -> list[Type]:
        kind = self.type(node.expressions[0], scope)
        if len(node.expressions) > 1 or kind.name != "array" or kind.items[0].name == "row":
            raise Refused(
                f"UNNEST of {kind} · one column for each field on Athena, one value on DuckDB · "
                "unnest one array of plain values: map_keys(m), or sequence(1, cardinality(a))",
                node,
            )
        return [kind.items[0], BIGINT] if node.args.get("offset") else [kind.items[0]]

    def resolve(self, column: exp.Column, scope: Scope) -> Type:
        """The type of a column, from the nearest query around it that has it."""
        around: Scope | None = scope
        while around is not None:
            found = self._in_scope(column, around)
            if found is not None:
                return found
            # Only a subquery of an expression, or LATERAL, sees the query around it.
            around = None if around.is_cte or around.is_derived_table else around.parent
        if column.table:
            kind = self.resolve(exp.column(column.args["table"].copy()), scope)
            if column.name.lower() in kind.fields:
                return kind.items[kind.fields.index(column.name.lower())]
        raise Refused(f"{column.sql('trino')} · is no column of the tables in FROM", column)

    def _in_scope(self, column: exp.Column, scope: Scope) -> Type | None:
        name, table, unlisted = column.name.lower(), column.table.lower(), None
        for alias in [table] if table else aliases(scope.expression):
            source = source_of(scope, alias)
            if source is None or (isinstance(source, Scope) and self._is_open_relation(source)):
                continue
            found = dict(self.source_columns(scope, alias, column))
            if name in found:
                return found[name]
            unlisted = unlisted or found.get(OPEN)
        return unlisted

    def _is_open_relation(self, scope: Scope) -> bool:
        return id(scope.expression) in self._open and not isinstance(scope.expression, exp.SetOperation)

    # What a query says besides its columns -------------------------------------------------------------------------

    def check(self, scope: Scope) -> None:
        """Establish every expression of one query: conditions, groups, orders, windows."""
        node = scope.expression
        self.columns(scope)
        if not isinstance(node, exp.Select):
            return
        for table in (s for s in scope.sources.values() if isinstance(s, exp.Table)):
            self._table(table)
        self._check_joins(node, scope)
        for part in ("where", "having"):
            if node.args.get(part) is not None:
                self.want(node.args[part].this, BOOLEAN, scope, part.upper())
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            raise Refused("DISTINCT ON is not Athena's SQL · write row_number() in a subquery", node)
        check_using(node)
        self._check_groups(node, scope)
        self._check_order(node, scope)
        for window in node.args.get("windows") or []:
            self.check_window(window, scope)

    def _check_joins(self, node: exp.Select, scope: Scope) -> None:
        for join in node.args.get("joins") or []:
            if join.args.get("method") or join.args.get("kind") in ("SEMI", "ANTI", "ASOF", "POSITIONAL"):
                raise Refused(f"{join.sql('trino')[:60]} · is not a join of Athena · write JOIN … ON", join)
            if isinstance(join.this, exp.Lateral) and join.side:
                raise Refused("an outer join with LATERAL is refused by Athena · join with the grouped subquery", join)
            if join.args.get("on") is not None:
                self.want(join.args["on"], BOOLEAN, scope, "the condition of a join")

    def _check_groups(self, node: exp.Select, scope: Scope) -> None:
        group = node.args.get("group")
        if group is None:
            return
        if group.args.get("all"):
            raise Refused("GROUP BY ALL is not Athena's SQL · name the columns", group)
        sets = [s for k in ("rollup", "cube", "grouping_sets") for s in group.args.get(k) or []]
        plain = [e for e in group.expressions if not isinstance(e, exp.Rollup | exp.Cube | exp.GroupingSets)]
        sets += [e for e in group.expressions if e not in plain]
        for item in plain:
            self.type(item, scope)
        for item in sets:
            for leaf in item.find_all(exp.Anonymous, exp.Binary):
                raise Refused("ROLLUP, CUBE and GROUPING SETS take columns on Athena · compute it in a subquery", leaf)

    def _check_order(self, node: exp.Select, scope: Scope) -> None:
        """Athena reads a name in ORDER BY as the result's column before the table's, inside expressions too."""
        order = node.args.get("order")
        named = {e.alias_or_name.lower() for e in node.expressions}
        given = {e.alias.lower(): e.this for e in node.expressions if isinstance(e, exp.Alias)}
        shown = [e.unalias().unnest() for e in node.expressions]
        for item in order.expressions if order is not None else []:
            key = item.this
            if isinstance(key, exp.Literal):
                continue
            if isinstance(key, exp.Column) and not key.table and key.name.lower() in named:
                continue
            if node.args.get("distinct") and key.name.lower() not in named and key not in shown:
                raise Refused("SELECT DISTINCT is ordered by what it selects on Athena", key)
            for column in list(key.find_all(exp.Column)):
                if not column.table and column.name.lower() in given:
                    column.replace(exp.Paren(this=given[column.name.lower()].copy()))
            self.type(item.this, scope)

    def check_window(self, window: exp.Expr, scope: Scope) -> None:
        for item in window.args.get("partition_by") or []:
            self.type(item, scope)
        if window.args.get("order") is not None:
            for item in window.args["order"].expressions:
                self.type(item.this, scope)
        spec = window.args.get("spec")
        if spec is not None and spec.args.get("exclude"):
            raise Refused("EXCLUDE in a window's frame is not Athena's SQL · leave it out", window)


def bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Subquery | exp.Paren):
        node = node.this
    return node


def output_name(node: exp.Expr) -> str:
    """The name of a result's column; Athena numbers those without one."""
    while isinstance(node, exp.Paren):
        node = node.this
    named = isinstance(node, exp.Alias | exp.Column | exp.Dot)
    return node.alias_or_name.lower() if named else ""


def cte_names(node: exp.Expr) -> list[str]:
    parent = node.parent
    return [c.lower() for c in parent.alias_column_names] if isinstance(parent, exp.CTE) else []


def aliases(node: exp.Expr) -> list[str]:
    """The names of what a SELECT reads from, in order."""
    if not isinstance(node, exp.Select):
        return []
    start = node.args.get("from_")
    found = [start.this.alias_or_name] if start is not None else []
    found += [j.this.alias_or_name for j in node.args.get("joins") or []]
    return [n.lower() for n in found + [x.alias_or_name for x in node.args.get("laterals") or []]]


def source_of(scope: Scope, alias: str) -> exp.Expr | Scope | None:
    return next((s for name, s in scope.sources.items() if name.lower() == alias), None)


def renamed(scope: Scope, alias: str) -> list[str]:
    """Column names given by `AS alias (a, b)` to a subquery or to a name of WITH."""
    for named in scope.expression.find_all(exp.TableAlias):
        if named.name.lower() == alias and named.columns and isinstance(named.parent, exp.Subquery | exp.Table):
            return [c.name.lower() for c in named.columns]
    return []


def check_using(node: exp.Select) -> None:
    shared = {c.name.lower() for j in node.args.get("joins") or [] for c in j.args.get("using") or []}
    for column in node.find_all(exp.Column) if shared else ():
        if column.table and column.name.lower() in shared and column.find_ancestor(exp.Select, exp.Join) is node:
            raise Refused(f"{column.sql()} · a column of USING has no table on Athena · write {column.name}", column)
