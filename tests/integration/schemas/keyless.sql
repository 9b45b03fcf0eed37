-- A log nobody designed: no keys, rows that are there twice, an empty table, a table of nulls.
create table events (happened_at timestamp, kind text, payload jsonb, took interval, cost money);
create table raw_lines (line text);
create table nothing_yet (id bigint, noted_on date);
create table sparse (id integer primary key, a integer, b date, c numeric);
insert into events
select timestamp '2024-01-01' + n * interval '1 hour 0.000001 seconds', (array['open', 'click', 'buy'])[1 + n % 3],
    jsonb_build_object('n', n, 'big', 12345678901234567890.123), n * interval '1 month 3 days', (n * -1.5)::money
from generate_series(1, 200) n;
insert into raw_lines select 'the same' from generate_series(1, 50);
insert into sparse select n, null, null, null from generate_series(1, 40) n
