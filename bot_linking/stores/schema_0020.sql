-- Pages that wait as a whole: for a limit to pass (no cause), or for something to be mended. keys names the
-- token and secret that Graph refused.
create table page_pauses (
  page_id text not null primary key,
  since {bigint} not null,
  until {bigint} not null,
  cause text,
  keys text,
  reason text not null
){strict};
create index page_pauses_by_age on page_pauses (until);

-- One page's entries by their time, so that a page costs one look; and its newest, which go before old ones.
create index outbox_by_page on outbox (page_id, next_at, id) where dead_at is null;
create index outbox_fresh on outbox (page_id, created_at, id) where dead_at is null and attempts = 0;

-- What waits for its person to write.
create index outbox_waiting on outbox (psid, page_id) where held_for = 'window' and dead_at is null;

-- When a person last made an event, as far as is known: it decides the messaging_type.
alter table outbox add column heard_at {bigint};
alter table links add column heard_at {bigint};
