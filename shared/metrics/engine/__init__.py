"""How windows are kept and answered; knows no metric.

Ingest only appends events. Two kinds of rollup are made from them, and one tick brings them up to
date and answers. Read in this order:

1. `metric`: what a metric says of itself: what it reads, and what it answers.
2. `counts` and `steps`: the events that *arrived* in five seconds, counted by five-second bucket
   of *event* time, type and page, once those seconds are over. `window` adds them up, with raw
   events at both edges.
3. `watermark` and `last_seen`: one document a key (a session, say) with the last times that
   something happened. Writing it twice changes nothing; TTL deletes it when its window has passed.
4. `verify`, `repair` and `tick`: find the steps that are missing or short, recount them, then bring
   last seen up to date, then read every metric.

The invariants:

- Raw events are the source of truth. The next tick rebuilds any other collection that is dropped.
- A step is one document, counted from all events that had landed. It only ever gains events, so of
  two versions the one with more events is kept: it does not matter who writes it when, or by which
  clock.
- A watermark says that last seen includes everything that arrived up to `since`, and `events` of
  the arrivals from then to `up_to`. So an event that lands late shows in one of two counts: its
  step's or the watermark's is too low. A watermark moves back before a short step is recounted,
  because nothing shows afterwards that it was short.
- A tick takes the watermarks when it begins and moves them after reading. If another tick has begun
  since, the move fails and there is no answer. Last seen keeps the later of two times, in whatever
  order they are written.
- A collection is named after the pipeline that fills it: releases that differ never share one.
"""
