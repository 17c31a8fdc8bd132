-- An id that was made of a name moves into a space of its own, where no id of the site's can be taken for it.
-- named_id keeps what it was, for a site whose resolve_account had given it.
alter table links add column named_id text;
update links set named_id = account_id, account_id = 'username:' || account_id
where source in ('api', 'cli') and account_id = username;
update links set named_id = account_id, account_id = 'email:' || account_id
where source in ('api', 'cli') and named_id is null and account_id = email;
update links set named_id = account_id, account_id = 'tel:' || account_id
where source in ('api', 'cli') and named_id is null and account_id = phone_number;
create index links_named on links (named_id) where named_id is not null;
