-- One row per coupon and article it is good for.
-- key: campaign_id, coupon_upc, product_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        campaign_id,
        coupon_upc,
        product_id,
        _op,
        row_number() over (partition by campaign_id, coupon_upc, product_id order by _ingested_at desc) as version_rank
    from bronze.coupon_products
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(campaign_id as integer) as campaign_id,
    cast(coupon_upc as bigint) as coupon_upc,
    cast(product_id as bigint) as product_id
from latest
