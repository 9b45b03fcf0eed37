-- A company: departments have heads, employees have departments, and both must exist first.
create table departments (id integer primary key, title text not null unique, head_id integer);
create table employees (
    id integer primary key,
    first_name text not null,
    last_name text not null,
    email text unique,
    birth_date date,
    department_id integer not null references departments deferrable initially deferred,
    manager_id integer references employees,
    salary numeric(10, 2) not null check (salary between 0 and 999999.99),
    hired_on date not null
);
alter table departments add foreign key (head_id) references employees deferrable initially deferred;
create table projects (id integer primary key, lead_id integer references employees, next_id integer references projects);
create table assignments (
    employee_id integer references employees,
    project_id integer references projects,
    started_on date not null,
    hours numeric(6, 2) not null,
    primary key (employee_id, project_id)
);
insert into departments select n, 'Department ' || n, n from generate_series(1, 4) n;
insert into employees
select n, 'First ' || n, 'Last ' || n, 'e' || n || '@example.org', date '1980-05-05' + n, 1 + n % 4, nullif(n / 3, 0), 1000 + n * 10.5,
    date '2010-01-01' + n * 10
from generate_series(1, 60) n;
insert into projects select n, n, nullif(n - 1, 0) from generate_series(1, 10) n;
insert into assignments select n, 1 + n % 10, date '2023-01-01' + n, n * 1.25 from generate_series(1, 60) n
