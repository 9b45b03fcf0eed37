-- gold.campaign_effect, told by PostgreSQL from the source itself.
select
    c.campaign_id,
    c.campaign_type::text as campaign_type,
    c.starts_on,
    c.ends_on,
    (c.ends_on - c.starts_on + 1)::bigint as days,
    (select count(*) from campaign_customers m where m.campaign_id = c.campaign_id) as customers_mailed,
    (select count(distinct customer_id) from coupon_redemptions r where r.campaign_id = c.campaign_id) as customers_redeeming,
    (select count(*) from coupon_redemptions r where r.campaign_id = c.campaign_id) as redemptions,
    coalesce(s.before, 0)::numeric(18, 2) as sales_before,
    coalesce(s.during, 0)::numeric(18, 2) as sales_during
from campaigns c
left join lateral (
    select
        sum(i.sales_value) filter (where d.day between c.starts_on - (c.ends_on - c.starts_on + 1) and c.starts_on - 1) as before,
        sum(i.sales_value) filter (where d.day between c.starts_on and c.ends_on) as during
    from campaign_customers m
    join orders o on o.customer_id = m.customer_id
    cross join lateral (select (o.ordered_at at time zone 'UTC')::date as day) d
    join order_items i on i.order_id = o.order_id and i.quantity >= 0
    where m.campaign_id = c.campaign_id
) s on true
