-- What `restore` keeps of the database that it replaces, `now`, in the backup that it makes ready, `main`.

-- name: count_kept
select count(*) as kept from now.pages as new
where not exists (
  select 1 from main.pages as old
  where old.page_id = new.page_id and (
    old.sealed is new.sealed or (old.revision > new.revision and old.changed_at > new.changed_at)))

-- name: keep_pages
-- The backup's page is good only where number and time both say that it was changed later: a clock may go back,
-- and after an earlier restore numbers are given again. A removed page has a row, without its values.
insert or replace into main.pages (page_id, sealed, revision, added_at, changed_at)
select page_id, sealed, revision, added_at, changed_at from now.pages as new
where not exists (
  select 1 from main.pages as old
  where old.page_id = new.page_id and old.revision > new.revision and old.changed_at > new.changed_at)

-- name: keep_number
insert or replace into main.page_changes (id, revision)
select id, max(revision) from (select id, revision from main.page_changes union all
                               select id, revision from now.page_changes) as both group by id
