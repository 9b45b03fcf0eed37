-- Measurements: a partitioned table, one that others inherit from, a materialized view and a view.
create table sensors (id bigint primary key, title text not null, installed_on date not null);
create table readings (
    sensor_id bigint not null references sensors,
    measured_at timestamptz not null,
    value double precision not null,
    quality smallint not null,
    primary key (sensor_id, measured_at)
) partition by range (measured_at);
create table readings_2024_01 partition of readings for values from ('2024-01-01') to ('2024-02-01');
create table readings_2024_02 partition of readings for values from ('2024-02-01') to ('2024-03-01');
create table readings_other partition of readings default;
create table notes (id integer primary key, body text);
create table signed_notes (signature text) inherits (notes);
create view last_readings as select distinct on (sensor_id) * from readings order by sensor_id, measured_at desc;
create materialized view daily as
select sensor_id, measured_at::date as day, avg(value) as mean from readings group by 1, 2;
insert into sensors select n, 'Sensor ' || n, date '2023-01-01' + n from generate_series(1, 8) n;
insert into readings
select 1 + n % 8, timestamptz '2024-01-20 00:00:00+00' + n * interval '47 minutes', n / 7.0, n % 4 from generate_series(1, 900) n;
insert into notes select n, 'note ' || n from generate_series(1, 10) n;
insert into signed_notes select n, 'signed ' || n, 'me' from generate_series(5, 12) n;
refresh materialized view daily
