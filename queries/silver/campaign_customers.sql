-- One row per mailing and household it was sent to.
-- key: campaign_id, customer_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        campaign_id,
        customer_id,
        _op,
        row_number() over (partition by campaign_id, customer_id order by _ingested_at desc) as version_rank
    from bronze.campaign_customers
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(campaign_id as integer) as campaign_id,
    cast(customer_id as bigint) as customer_id
from latest
