-- One row per mailing and coupon in it.
-- key: campaign_id, coupon_upc
-- update: by_key
-- owner: sales-data
with lines as (
    select
        campaign_id,
        coupon_upc,
        _op,
        row_number() over (partition by campaign_id, coupon_upc order by _ingested_at desc) as version_rank
    from bronze.coupons
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(campaign_id as integer) as campaign_id,
    cast(coupon_upc as bigint) as coupon_upc
from latest
