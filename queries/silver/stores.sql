-- One row per shop, latest version.
-- key: store_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        store_id,
        store_name,
        _op,
        row_number() over (partition by store_id order by _ingested_at desc) as version_rank
    from bronze.stores
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(store_id as bigint) as store_id,
    cast(trim(both ' ' from store_name) as varchar) as store_name
from latest
