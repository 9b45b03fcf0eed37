-- gold.product_performance, told by PostgreSQL from the source itself.
with each as (
    select p.product_id, upper(trim(p.department)) as department, p.brand::text as brand,
           nullif(trim(p.product_category), '') as product_category, nullif(trim(p.product_type), '') as product_type,
           count(distinct i.order_id) as orders,
           sum(i.quantity)::bigint as units,
           sum(i.sales_value)::numeric(18, 2) as net_sales,
           sum(i.retail_discount)::numeric(18, 2) as retail_discounts,
           min((i.ordered_at at time zone 'UTC')::date) as first_sold_on,
           max((i.ordered_at at time zone 'UTC')::date) as last_sold_on
    from products p join order_items i using (product_id)
    where i.quantity >= 0
    group by p.product_id
),
listed as (
    select department, array_agg(product_id order by net_sales desc, product_id) as best from each group by department
)
select each.*, (place.n)::bigint as department_rank
from listed
cross join lateral unnest(listed.best) with ordinality as place(product_id, n)
join each on each.product_id = place.product_id
