-- gold.customer_value, told by PostgreSQL from the source itself.
with sold as (
    select o.customer_id, o.order_id, (o.ordered_at at time zone 'UTC')::date as day, i.sales_value
    from order_items i join orders o using (order_id)
    where i.quantity >= 0
),
each as (
    select customer_id,
           count(distinct order_id) as orders,
           min(day) as first_order_date,
           max(day) as last_order_date,
           (select max((ordered_at at time zone 'UTC')::date) from orders) - max(day) as days_since_order,
           sum(sales_value)::numeric(18, 2) as net_sales
    from sold group by customer_id
),
fifths as (
    select *,
           ntile(5) over (order by net_sales, customer_id) as value_fifth,
           ntile(5) over (order by last_order_date, customer_id) as recency_fifth
    from each
)
select customer_id, orders, first_order_date, last_order_date, days_since_order::bigint as days_since_order, net_sales,
       value_fifth, recency_fifth,
       case when value_fifth in (4, 5) then case when recency_fifth in (4, 5) then 'champion' else 'valuable, slipping away' end
            else (array['lapsed', 'occasional', 'occasional', 'active', 'active'])[recency_fifth] end as segment
from fifths
