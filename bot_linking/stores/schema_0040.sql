-- Pages that were added at run time. Their tokens and secrets are sealed; null once the page was removed.
create table pages (
  page_id text not null primary key,
  sealed text,
  revision {bigint} not null,
  added_at {bigint} not null,
  changed_at {bigint} not null
){strict};
create index pages_by_revision on pages (revision);
create index pages_removed on pages (changed_at) where sealed is null;

-- The number of the newest change of a page, in one row.
create table page_changes (
  id {bigint} not null primary key,
  revision {bigint} not null
){strict};
