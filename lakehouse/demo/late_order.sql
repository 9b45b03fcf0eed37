-- A till that was offline: an order of the last day whose transaction stays open while the first run reads.
insert into orders (order_id, customer_id, store_id, ordered_at)
select max(order_id) + 1, min(customer_id), min(store_id), timestamptz '2017-12-31 17:45:00+00' from orders;
insert into order_items (order_id, line_number, product_id, ordered_at, quantity, sales_value)
select o.order_id, n, p.product_id, o.ordered_at, n, 1.25 * n
from (select order_id, ordered_at from orders order by order_id desc limit 1) o,
     generate_series(1, 3) n
     join lateral (select product_id from products order by product_id offset 1000 * n limit 1) p on true
