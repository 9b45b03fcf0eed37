-- Several schemas that share names, and reference each other.
create schema sales;
create schema hr;
create table sales.people (id integer primary key, title text not null);
create table hr.people (id integer primary key, phone text, born date);
create table sales.deals (
    id integer primary key, person_id integer not null references sales.people, closed_by integer references hr.people,
    closed_at timestamptz not null, amount numeric(12, 2) not null
);
create table hr."Sick Days" (person_id integer not null references hr.people, day date not null, primary key (person_id, day));
insert into sales.people select n, 'Client ' || n from generate_series(1, 10) n;
insert into hr.people select n, '555-' || n, date '1990-01-01' + n from generate_series(1, 5) n;
insert into sales.deals
select n, 1 + n % 10, 1 + n % 5, timestamptz '2024-02-01 00:00:00+00' + n * interval '5 hours', n * 10.01 from generate_series(1, 80) n;
insert into hr."Sick Days" select 1 + n % 5, date '2024-01-01' + n from generate_series(1, 40) n
