-- Which type of campaign gets its coupons redeemed?
select
    campaign_type,
    count(*) as campaigns,
    cast(sum(customers_mailed) as bigint) as customers_mailed,
    cast(sum(customers_redeeming) as bigint) as customers_redeeming,
    round(
        100e0 * cast(sum(customers_redeeming) as double) / nullif(cast(sum(customers_mailed) as double), 0e0), 1
    ) as redeeming_percent
from gold.campaign_effect
group by campaign_type
order by redeeming_percent desc, campaign_type asc
