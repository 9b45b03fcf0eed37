-- One row per coupon handed in at the till, latest version.
-- key: redemption_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        redemption_id,
        customer_id,
        campaign_id,
        coupon_upc,
        redeemed_on,
        _op,
        row_number() over (partition by redemption_id order by _ingested_at desc) as version_rank
    from bronze.coupon_redemptions
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(redemption_id as bigint) as redemption_id,
    cast(customer_id as bigint) as customer_id,
    cast(campaign_id as integer) as campaign_id,
    cast(coupon_upc as bigint) as coupon_upc,
    cast(redeemed_on as date) as redeemed_on
from latest
