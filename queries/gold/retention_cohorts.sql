-- One row per month of first purchase and month after it: how many of those customers came back.
-- key: cohort_month, months_after
-- owner: sales-analytics
with months as (
    select distinct
        customer_id,
        cast(date_trunc('month', cast(ordered_at as date)) as date) as order_month
    from silver.orders
),

firsts as (
    select
        customer_id,
        min(order_month) as cohort_month
    from months
    group by customer_id
),

sizes as (
    select
        cohort_month,
        count(*) as cohort_customers
    from firsts
    group by cohort_month
),

active as (
    select
        firsts.cohort_month,
        (year(months.order_month) - year(firsts.cohort_month)) * 12
        + month(months.order_month) - month(firsts.cohort_month) as months_after,
        count(*) as customers
    from months
    inner join firsts on months.customer_id = firsts.customer_id
    group by
        firsts.cohort_month,
        (year(months.order_month) - year(firsts.cohort_month)) * 12
        + month(months.order_month) - month(firsts.cohort_month)
)

select
    cast(active.cohort_month as date) as cohort_month,
    cast(active.months_after as bigint) as months_after,
    cast(active.customers as bigint) as customers,
    cast(sizes.cohort_customers as bigint) as cohort_customers
from active
inner join sizes on active.cohort_month = sizes.cohort_month
