-- What is set aside on its own until the page or the app is mended, for the operator's page to count.
create index outbox_held on outbox (page_id) where held_for = 'page' and dead_at is null;
