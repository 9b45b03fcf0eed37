-- Made by a tool that quotes everything: upper case, spaces, signs, other alphabets, reserved words, names that collide.
create table "Order" (
    "OrderID" serial primary key,
    "Customer Name" varchar(80) not null,
    "E-Mail" varchar(120),
    "Größe" numeric(6, 2),
    "select" integer not null,
    "from" date,
    "OrderDate" timestamp(0) not null,
    "_op" text,
    "%" real
);
create table "OrderLine" (
    "OrderID" integer not null references "Order",
    "Line No" smallint not null,
    "Qty" integer not null,
    "LineTotal" numeric(10, 2) not null,
    primary key ("OrderID", "Line No")
);
create table "order_line" (id integer primary key, "A" integer, a integer, "a " integer);
create table "user" (id uuid primary key, "table" text, "group" text, "user" text, "end" date, "values" bytea, "1st" integer);
create table "日本" ("名前" text primary key, "値" double precision);
insert into "Order" ("Customer Name", "E-Mail", "Größe", "select", "from", "OrderDate", "_op", "%")
select 'Ann ' || n, 'ann' || n || '@example.org', n * 0.25, n, date '2024-01-01' + n, timestamp '2024-01-01' + n * interval '7 hours',
    'x', n / 3.0
from generate_series(1, 90) n;
insert into "OrderLine" select 1 + n % 90, n, n % 5, n * 1.10 from generate_series(1, 300) n;
insert into "order_line" select n, n, n + 1, n + 2 from generate_series(1, 5) n;
insert into "user" select gen_random_uuid(), 't', 'g', 'u', date '2020-02-29', '\xdeadbeef', n from generate_series(1, 12) n;
insert into "日本" values ('東京', 'NaN'), ('大阪', 'Infinity'), ('名古屋', 0.1)
