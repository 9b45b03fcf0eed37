-- gold.retention_cohorts, told by PostgreSQL from the source itself.
with visits as (
    select customer_id,
           to_char(ordered_at at time zone 'UTC', 'YYYY-MM-01')::date as visited,
           min(to_char(ordered_at at time zone 'UTC', 'YYYY-MM-01')::date) over (partition by customer_id) as cohort_month
    from orders
)
select v.cohort_month,
       (extract(year from age(v.visited, v.cohort_month)) * 12 + extract(month from age(v.visited, v.cohort_month)))::bigint
           as months_after,
       count(distinct v.customer_id) as customers,
       (select count(distinct customer_id) from visits w where w.cohort_month = v.cohort_month) as cohort_customers
from visits v
group by v.cohort_month, v.visited
