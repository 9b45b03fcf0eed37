-- Shops, exactly as the shop keeps them.
-- owner: sales-data
select * from source.stores
