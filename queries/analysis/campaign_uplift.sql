-- Did the mailed customers buy more during a campaign than as long before it?
select
    campaign_id,
    campaign_type,
    starts_on,
    customers_mailed,
    customers_redeeming,
    sales_before,
    sales_during,
    round(
        100e0 * cast(sales_during - sales_before as double) / nullif(cast(sales_before as double), 0e0), 1
    ) as uplift_percent
from gold.campaign_effect
where sales_before > 0
order by uplift_percent desc, campaign_id asc
