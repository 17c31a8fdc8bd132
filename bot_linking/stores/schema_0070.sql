-- How many people came to which stage of linking, by UTC day (ms), page ('' where it is not known yet) and way.
-- bucket is -1 for how many, else the place in the histogram of the seconds since the stage before. Of the
-- stage 'open' it is the minute of the day in which logins were opened that have not ended yet.
create table funnel (
  day {bigint} not null,
  page_id text not null,
  way text not null,
  stage text not null,
  bucket {bigint} not null,
  hits {bigint} not null,
  primary key (day, page_id, way, stage, bucket)
){strict};
create index funnel_open on funnel (day, bucket) where stage = 'open';

-- Webhooks by result and messages by what became of them, by minute (ms): for the operator's page, for a day.
create table traffic (
  minute {bigint} not null,
  kind text not null,
  result text not null,
  hits {bigint} not null,
  primary key (minute, kind, result)
){strict};
