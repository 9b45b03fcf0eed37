-- One row per article, latest version; texts in one spelling, empty ones null.
-- key: product_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        product_id,
        manufacturer_id,
        department,
        brand,
        product_category,
        product_type,
        package_size,
        _op,
        row_number() over (partition by product_id order by _ingested_at desc) as version_rank
    from bronze.products
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(product_id as bigint) as product_id,
    cast(manufacturer_id as bigint) as manufacturer_id,
    cast(upper(trim(both ' ' from department)) as varchar) as department,
    cast(brand as varchar) as brand,
    cast(nullif(trim(both ' ' from product_category), '') as varchar) as product_category,
    cast(nullif(trim(both ' ' from product_type), '') as varchar) as product_type,
    cast(nullif(upper(trim(both ' ' from package_size)), '') as varchar) as package_size
from latest
