-- Every kind of type: enums, domains over domains, arrays, ranges, composites, numbers without limit, infinity, BC.
create type mood as enum ('sad', 'ok', 'happy', 'it''s "fine"');
create type spot as (x integer, y integer);
create domain percent as numeric(5, 2) check (value >= 0);
create domain share as percent not null;
create table samples (
    id bigint primary key,
    feeling mood not null,
    done share,
    tags text[] not null,
    matrix integer[][],
    period daterange,
    place spot,
    position point,
    host inet,
    flags bit(4),
    words tsvector,
    any_number numeric,
    huge numeric(60, 5),
    negative_scale numeric(5, -2),
    ratio real,
    price money,
    span interval,
    at_time time,
    at_zone timetz,
    doc json,
    docb jsonb,
    raw bytea,
    code uuid,
    padded char(5),
    one "char",
    yes boolean,
    small smallint,
    moment timestamptz(3),
    identifier oid
);
create table extremes (
    id integer primary key, d date, t timestamp, z timestamptz, n numeric(6, 2), ok_date date, free numeric, f double precision
);
insert into samples
select n, 'it''s "fine"', 12.5, array['a', null, 'b,"c'], array[[1, 2], [3, 4]], daterange('2024-01-01', null), row(1, n)::spot,
    point(1, 2), '10.0.0.1/8', b'1010', to_tsvector('simple', 'one two'), 1e-30 * n, 12345678901234567890123456789012345678901234.5,
    123456, 0.1, -1234.56, '1 mon -2 days 03:04:05.6', '24:00:00', '12:00:00+02', '{"a": 1,  "a": 2}', '{"n": 1.10}', '\x00ff',
    gen_random_uuid(), 'ab', 'x', n % 2 = 0, -n, timestamptz '2024-06-01 12:00:00.123+02', 42
from generate_series(1, 35) n;
insert into extremes values
(1, 'infinity', '-infinity', 'infinity', 'NaN', '2024-01-01', 'Infinity', '-Infinity'),
(2, '0044-03-15 BC', '12345-01-01 00:00:00', '0001-01-01 00:00:00+00 BC', 1.5, '2024-01-02', 1.5, 'NaN')
