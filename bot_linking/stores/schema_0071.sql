-- What operators did on their page, and whose data they looked at. Who it was about goes with an erasure.
create table acts (
  id {serial},
  at {bigint} not null,
  operator text not null,
  act text not null,
  page_id text,
  psid text,
  about text
){strict};
create index acts_by_person on acts (psid, id);
create index acts_by_age on acts (at);

-- By which an operator finds a person.
create index links_by_username on links (username) where username is not null;
create index links_by_email on links (email) where email is not null;
create index links_by_phone_number on links (phone_number) where phone_number is not null;
