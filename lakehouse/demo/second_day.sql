-- New orders: the baskets of two Tuesdays ago, bought again on 2 January 2018.
insert into orders (order_id, customer_id, store_id, ordered_at)
select 50000000000 + row_number() over (order by order_id), customer_id, store_id, ordered_at + interval '14 days'
from orders
where ordered_at >= '2017-12-19' and ordered_at < '2017-12-20';
insert into order_items (order_id, line_number, product_id, ordered_at, quantity, sales_value,
                         retail_discount, coupon_discount, coupon_match_discount)
select n.order_id, i.line_number, i.product_id, n.ordered_at, i.quantity, i.sales_value,
       i.retail_discount, i.coupon_discount, i.coupon_match_discount
from (select 50000000000 + row_number() over (order by order_id) as order_id, order_id as copied_id,
             ordered_at + interval '14 days' as ordered_at
      from orders where ordered_at >= '2017-12-19' and ordered_at < '2017-12-20') n
     join order_items i on i.order_id = n.copied_id;
-- A price that was typed wrong in December.
update order_items set sales_value = sales_value + 1.00
where (order_id, line_number) = (select order_id, min(line_number) from order_items
                                 where order_id = (select min(order_id) from orders where ordered_at >= '2017-12-11')
                                 group by order_id);
-- An order that was never picked up.
delete from order_items where order_id = (select min(order_id) from orders where ordered_at >= '2017-12-12');
delete from orders where order_id = (select min(order_id) from orders where ordered_at >= '2017-12-12');
-- The mistake: a line with a negative quantity.
insert into order_items (order_id, line_number, product_id, ordered_at, quantity, sales_value)
select order_id, 900, (select min(product_id) from products), ordered_at, -3, -4.50 from orders where order_id = 50000000001
