-- A warehouse: composite keys, a unique index instead of a primary key, checks, a self reference.
create table regions (country char(2) not null, code varchar(8) not null, title text not null, primary key (country, code));
create table sites (
    id integer generated always as identity primary key,
    country char(2) not null,
    region_code varchar(8) not null,
    parent_id integer references sites,
    opened_on date not null,
    foreign key (country, region_code) references regions (country, code)
);
create table stock (
    site_id integer not null references sites,
    sku varchar(20) not null,
    counted_at timestamptz not null,
    quantity integer not null check (quantity >= 0 and quantity < 1000000),
    unit_cost numeric(12, 4) not null check (unit_cost > 0),
    condition text not null check (condition in ('new', 'used', 'broken')),
    primary key (site_id, sku, counted_at)
);
create table bins (label text not null, site_id integer not null references sites, capacity numeric(8, 2));
create unique index bins_label on bins (site_id, label);
comment on table stock is 'What was counted: per site, article and time
of counting';
insert into regions select c, 'r' || n, 'Region ' || n from unnest(array['de', 'fr']) c, generate_series(1, 5) n;
insert into sites (country, region_code, parent_id, opened_on)
select 'de', 'r' || (1 + n % 5), nullif(n / 2, 0), date '2015-01-01' + n from generate_series(1, 30) n;
insert into stock
select 1 + n % 30, 'sku-' || n % 7, timestamptz '2024-03-01 08:00:00+01' + n * interval '90 minutes', n % 50, 1 + n * 0.0125,
    (array['new', 'used', 'broken'])[1 + n % 3]
from generate_series(1, 500) n;
insert into bins select 'bin ' || n, 1 + n % 30, n * 1.5 from generate_series(1, 60) n
