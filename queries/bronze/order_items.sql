-- Basket lines, exactly as the till wrote them.
-- owner: sales-data
select * from source.order_items
