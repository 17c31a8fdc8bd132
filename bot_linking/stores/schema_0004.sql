-- Nothing asked by it: what is unlinked is found by (account_id, updated_at).
drop index links_by_age;
