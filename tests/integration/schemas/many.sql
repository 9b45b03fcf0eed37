-- An application that grew for years: 300 tables in a tree, each with the columns that such tables have.
do $$
begin
    for i in 1..300 loop
        execute format(
            'create table app_table_%s (id bigint primary key, parent_id bigint %s, status text not null, amount numeric(12, 2),'
            ' note text, is_active boolean not null default true, created_at timestamptz not null, updated_at timestamptz)',
            i, case when i > 1 then format('references app_table_%s', i / 2) else '' end
        );
        execute format(
            'insert into app_table_%s select n, %s, (array[''new'', ''open'', ''done''])[1 + n %% 3], n * 1.5, null, true,'
            ' timestamptz ''2024-01-01 00:00:00+00'' + n * interval ''1 hour'', null from generate_series(1, 40) n',
            i, case when i > 1 then 'n' else 'null' end
        );
    end loop;
end $$
