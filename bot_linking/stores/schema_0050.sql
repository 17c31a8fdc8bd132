-- Who was erased, by the digest of their PSID, so that a backup that is put back can forget them again. page_id
-- is '' where they were erased on every page.
create table erasures (
  erased_at {bigint} not null,
  page_id text not null,
  psid_digest text not null,
  primary key (erased_at, page_id, psid_digest)
){strict};
