-- A code minted before the last unlink was processed is told from one minted only before the present link.
alter table links add column unlinked_tick {bigint} not null default 0;
update links set unlinked_tick = changed_tick where unlinked_ms is not null;
