-- gold.basket_sizes, told by PostgreSQL from the source itself.
select
    b.order_month,
    b.basket_size,
    count(*) as orders,
    sum(b.lines)::bigint as lines,
    sum(b.net_sales)::numeric(18, 2) as net_sales
from (
    select
        date_trunc('month', o.ordered_at at time zone 'UTC')::date as order_month,
        (array['1 line', '2 to 5 lines', '6 to 10 lines', '11 to 20 lines', 'more than 20 lines'])[
            width_bucket(count(i.line_number), array[1, 2, 6, 11, 21])
        ] as basket_size,
        count(i.line_number) as lines,
        sum(i.sales_value) as net_sales
    from orders o, order_items i
    where i.order_id = o.order_id and i.quantity >= 0
    group by o.order_id, o.ordered_at
) b
group by b.order_month, b.basket_size
