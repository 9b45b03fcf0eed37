-- One row per campaign: whom it reached, what was redeemed, and their buying during it and as long before it.
-- key: campaign_id
-- owner: marketing
with campaigns as (
    select
        campaign_id,
        campaign_type,
        starts_on,
        ends_on,
        date_diff('day', starts_on, ends_on) + 1 as days
    from silver.campaigns
),

mailed as (
    select
        campaign_id,
        customer_id
    from silver.campaign_customers
),

spent as (
    select
        orders.customer_id,
        cast(orders.ordered_at as date) as order_date,
        sum(items.sales_value) as net_sales
    from silver.orders as orders
    inner join silver.order_items as items on orders.order_id = items.order_id
    group by orders.customer_id, cast(orders.ordered_at as date)
),

redeemed as (
    select
        campaign_id,
        count(*) as redemptions,
        count(distinct customer_id) as redeeming_customers
    from silver.coupon_redemptions
    group by campaign_id
),

reached as (
    select
        campaign_id,
        count(*) as customers
    from mailed
    group by campaign_id
),

bought as (
    select
        campaigns.campaign_id,
        sum(case when spent.order_date >= campaigns.starts_on then spent.net_sales end) as sales_during,
        sum(case when spent.order_date < campaigns.starts_on then spent.net_sales end) as sales_before
    from campaigns
    inner join mailed on campaigns.campaign_id = mailed.campaign_id
    inner join spent
        on
            mailed.customer_id = spent.customer_id
            and campaigns.ends_on >= spent.order_date
            and date_diff('day', spent.order_date, campaigns.starts_on) <= campaigns.days
    group by campaigns.campaign_id
)

select
    cast(campaigns.campaign_id as integer) as campaign_id,
    cast(campaigns.campaign_type as varchar) as campaign_type,
    cast(campaigns.starts_on as date) as starts_on,
    cast(campaigns.ends_on as date) as ends_on,
    cast(campaigns.days as bigint) as days,
    cast(coalesce(reached.customers, 0) as bigint) as customers_mailed,
    cast(coalesce(redeemed.redeeming_customers, 0) as bigint) as customers_redeeming,
    cast(coalesce(redeemed.redemptions, 0) as bigint) as redemptions,
    cast(coalesce(bought.sales_before, 0) as decimal(18, 2)) as sales_before,
    cast(coalesce(bought.sales_during, 0) as decimal(18, 2)) as sales_during
from campaigns
left join reached on campaigns.campaign_id = reached.campaign_id
left join redeemed on campaigns.campaign_id = redeemed.campaign_id
left join bought on campaigns.campaign_id = bought.campaign_id
