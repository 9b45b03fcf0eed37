-- One row per mailing of coupons, latest version.
-- key: campaign_id
-- update: by_key
-- owner: sales-data
with lines as (
    select
        campaign_id,
        campaign_type,
        starts_on,
        ends_on,
        _op,
        row_number() over (partition by campaign_id order by _ingested_at desc) as version_rank
    from bronze.campaigns
),

latest as (
    select * from lines
    where version_rank = 1 and _op = 'upsert'
)

select
    cast(campaign_id as integer) as campaign_id,
    cast(campaign_type as varchar) as campaign_type,
    cast(starts_on as date) as starts_on,
    cast(ends_on as date) as ends_on
from latest
