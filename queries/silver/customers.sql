-- One row per household with a loyalty card, latest version.
-- key: customer_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        customer_id,
        age_range,
        income_range,
        home_ownership,
        marital_status,
        household_size,
        household_composition,
        kids_count,
        _op,
        row_number() over (partition by customer_id order by _ingested_at desc) as version_rank
    from bronze.customers
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(customer_id as bigint) as customer_id,
    cast(age_range as varchar) as age_range,
    cast(income_range as varchar) as income_range,
    cast(home_ownership as varchar) as home_ownership,
    cast(marital_status as varchar) as marital_status,
    cast(household_size as varchar) as household_size,
    cast(household_composition as varchar) as household_composition,
    cast(kids_count as varchar) as kids_count,
    cast(age_range is not null as boolean) as has_demographics
from latest
