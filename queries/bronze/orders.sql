-- Baskets, exactly as the till wrote them.
-- owner: sales-data
select * from source.orders
