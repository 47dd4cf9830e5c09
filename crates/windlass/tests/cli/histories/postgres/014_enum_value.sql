ALTER TYPE state_of_order ADD VALUE 'returned' AFTER 'shipped';
UPDATE orders SET state = 'returned' WHERE id % 50 = 1;
