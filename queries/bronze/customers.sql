-- Households with a loyalty card, exactly as the shop keeps them.
-- owner: sales-data
select * from source.customers
